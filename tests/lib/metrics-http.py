# SPDX-License-Identifier: GPL-2.0-or-later
"""Send requests to "nbdzram metrics --http", as systemd would start it:
metrics-http.py SEED COMMAND..."""

import random
import re
import socket
import subprocess
import sys

seed, command = int (sys.argv[1]), sys.argv[2:]
PAGE = "text/plain; version=0.0.4; charset=utf-8"
ERROR = "text/plain; charset=utf-8"


class Client:
    """A connection; the program has the other end as its standard input and
    output."""

    def __init__ (self):
        self.socket, theirs = socket.socketpair ()
        self.socket.settimeout (60)
        self.process = subprocess.Popen (command, stdin=theirs, stdout=theirs,
                                         stderr=subprocess.PIPE)
        theirs.close ()

    def send (self, data):
        try:
            self.socket.sendall (data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def receive (self):
        data = b""
        while True:
            try:
                part = self.socket.recv (65536)
            except ConnectionResetError:
                break
            if not part:
                break
            data += part
        return data

    def end (self):
        """It has ended well, and has said nothing else."""
        self.socket.close ()
        error = self.process.communicate (timeout=60)[1]
        assert self.process.returncode == 0, self.process.returncode
        assert error == b"", error


def exchange (data, shutdown=False):
    c = Client ()
    c.send (data)
    if shutdown:
        c.socket.shutdown (socket.SHUT_WR)
    reply = c.receive ()
    c.end ()
    return reply


def check (data, status, method=b"GET", **options):
    """The reply to DATA has this status, and is valid.  Returns its body."""
    return check_reply (data, exchange (data, **options), status, method)


def check_reply (data, reply, status, method=b"GET"):
    head, end, body = reply.partition (b"\r\n\r\n")
    assert end, (data, reply)
    first, *lines = head.decode ("ascii").split ("\r\n")
    assert re.fullmatch (rf"HTTP/1\.1 {status} [A-Z][A-Za-z ]+", first), \
        (data, first, status)
    fields = dict (line.split (": ", 1) for line in lines)
    assert len (fields) == len (lines)
    assert fields["Connection"] == "close"
    assert fields["Content-Type"] == (PAGE if status == 200 else ERROR)
    assert re.fullmatch (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} "
                         r"\d\d:\d\d:\d\d GMT", fields["Date"])
    assert (status == 405) == (fields.get ("Allow") == "GET, HEAD")
    if method == b"HEAD":
        assert body == b"", body
    else:
        assert int (fields["Content-Length"]) == len (body) > 0
    return body


def request (line, *fields):
    return b"\r\n".join ((line, *fields, b"", b""))


host = b"Host: localhost:19809"

# ---- too slow ----

# Requests that do not end, or do not begin: the replies come later.
slow = {}
for data in b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"", b"GET ":
    slow[data] = Client ()
    for byte in data:
        slow[data].send (bytes ((byte,)))

# One that does not read: the program ends by itself.
deaf = Client ()
deaf.socket.setsockopt (socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
deaf.send (request (b"GET /metrics HTTP/1.1", host))

# ---- the page ----

for data in (request (b"GET /metrics HTTP/1.1", host),
             request (b"GET /metrics HTTP/1.0"),
             request (b"GET /metrics?a=b?c HTTP/1.1", host),
             request (b"GET http://localhost:19809/metrics HTTP/1.1", host),
             request (b"GET HTTP://x/metrics?y HTTP/1.1", b"hOST: x"),
             b"\r\n" + request (b"GET /metrics HTTP/1.1", host),
             request (b"GET /metrics HTTP/1.1", host).replace (b"\r", b""),
             # As Prometheus does it.
             request (b"GET /metrics HTTP/1.1", host,
                      b"User-Agent: Prometheus/2.42.0",
                      b"Accept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                      b"Accept-Encoding: gzip",
                      b"X-Prometheus-Scrape-Timeout-Seconds: 10"),
             # What follows is not read as another request.
             request (b"GET /metrics HTTP/1.1", host) * 3,
             request (b"GET /metrics HTTP/1.1", host, b"Content-Length: 9")
             + b"some text"):
    assert b'\nnbdzram_up{server="web"} 1\n' in check (data, 200), data
check (request (b"HEAD /metrics HTTP/1.1", host), 200, b"HEAD")

# ---- others ----

for path in (b"/", b"/metrics/", b"/metricsx", b"/metric", b"//metrics",
             b"http://localhost", b"http://localhost/", b"/%6detrics", b"*",
             b"metrics", b"/../metrics", b"http:///x"):
    check (request (b"GET " + path + b" HTTP/1.1", host), 404)
for method in b"POST", b"PUT", b"DELETE", b"OPTIONS", b"GETX", b"G":
    check (request (method + b" /metrics HTTP/1.1", host), 405)
for line in (b"GET /metrics HTTP/2.0", b"GET /metrics HTTP/3.1",
             b"GET /metrics HTTP/0.9"):
    check (request (line, host), 505)
for line in (b"GET /metrics", b"GET  /metrics HTTP/1.1", b"GET", b"GET ",
             b"get /metrics HTTP/1.1", b" GET /metrics HTTP/1.1",
             b"GET /metrics HTTP/1.1 ", b"GET /metrics HTTP/11",
             b"GET /metrics HTTPS/1.1", b"GET /metrics  HTTP/1.1",
             b"GET /met\0rics HTTP/1.1", b"G\xc3\xa4T /metrics HTTP/1.1",
             b"PRI * HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
    check (request (line, host), 400)
# HTTP/1.1 requires a host.
for fields in (), (b"Hos: x",), (b"X-Host: x",):
    check (request (b"GET /metrics HTTP/1.1", *fields), 400)
check (request (b"GET /metrics HTTP/1.1", host, b"X: \0"), 400)

# ---- too long ----

long = b"X: " + b"x" * 100
check (request (b"GET /metrics HTTP/1.1", host, *[long] * 60), 200)
check (request (b"GET /metrics HTTP/1.1", host, *[long] * 100), 431)
check (b"GET /" + b"x" * 100000, 431)
check (b"G" * 8192, 431)
check (b"\r\n" * 5000, 431)

# A client that has no more to say, or leaves.
check (b"GET /metrics HTTP/1.1\r\n", 400, shutdown=True)
check (request (b"GET /metrics HTTP/1.1", host), 200, shutdown=True)
assert exchange (b"", shutdown=True) == b""
for data in b"", b"GET", request (b"GET /metrics HTTP/1.1", host):
    c = Client ()
    c.send (data)
    c.end ()

# ---- the end of those that are slow ----

for data, c in slow.items ():
    check_reply (data, c.receive (), 408)
    c.end ()
deaf.process.wait (60)
deaf.end ()

# ---- anything ----

chance = random.Random (seed)
good = request (b"GET /metrics HTTP/1.1", host, b"Accept: */*")
for i in range (60):
    data = bytearray (good)
    for _ in range (chance.randrange (1, 6)):
        at = chance.randrange (len (data))
        if chance.random () < 0.5:
            data[at] = chance.choice (b"\r\n\0 /:?GHT1.\xff")
        else:
            del data[at:at + chance.randrange (8)]
        data = data or bytearray (b"x")
    reply = exchange (bytes (data), shutdown=True)
    assert re.match (rb"HTTP/1\.1 (200|400|404|405|505) ", reply), \
        (seed, bytes (data), reply)
