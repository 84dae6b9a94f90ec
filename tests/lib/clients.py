# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that go away in the middle, that stop reading, and a crowd of
them: clients.py WHAT SOCKET [COUNT or NAME].  Speaks NBD by itself, since no library
lets its user be so rude."""

import random
import resource
import socket
import struct
import sys

PAGE = 4096
WRITE, READ, DISC, FLUSH = 1, 0, 2, 3
OLD, NEW = b"o" * PAGE, b"n" * PAGE

path = sys.argv[2]


def connect ():
    s = socket.socket (socket.AF_UNIX)
    s.connect (path)
    return s


def receive (s, size):
    data = b""
    while len (data) < size:
        more = s.recv (size - len (data))
        if not more:
            raise ConnectionError ("the server closed the connection")
        data += more
    return data


def hello (name=b""):
    """What a client says first: its flags, and GO without structured
    replies."""
    option = struct.pack (">I", len (name)) + name + struct.pack (">H", 0)
    return struct.pack (">I", 3) + b"IHAVEOPT" \
        + struct.pack (">II", 7, len (option)) + option


def finish_handshake (s):
    receive (s, 18)
    while True:
        magic, option, kind, size = struct.unpack (">QIII", receive (s, 20))
        receive (s, size)
        if kind == 1:
            return
        if kind & 1 << 31:
            raise ConnectionError ("refused: %x" % kind)


def request (kind, offset, size, data=b"", cookie=1):
    return struct.pack (">IHHQQI", 0x25609513, 0, kind, cookie, offset,
                        size) + data


def ready (name=b""):
    s = connect ()
    s.sendall (hello (name))
    finish_handshake (s)
    return s


def reply (s, size=0):
    magic, error, cookie = struct.unpack (">IIQ", receive (s, 16))
    if error:
        raise ConnectionError ("error %d" % error)
    return receive (s, size)


def is_served ():
    """Whatever others do, this one is."""
    s = ready ()
    s.sendall (request (WRITE, PAGE, PAGE, OLD))
    reply (s)
    s.sendall (request (READ, PAGE, PAGE))
    if reply (s, PAGE) != OLD:
        sys.exit ("another page was read")
    s.close ()


def look (offset):
    s = ready ()
    s.sendall (request (READ, offset, PAGE))
    page = reply (s, PAGE)
    s.close ()
    return page


def put (offset, page):
    s = ready ()
    s.sendall (request (WRITE, offset, PAGE, page))
    reply (s)
    s.close ()


def cut_requests ():
    """Gone after each byte that a client can send."""
    put (0, OLD)
    greeting = hello ()
    write = request (WRITE, 0, PAGE, NEW)
    everything = greeting + write + request (DISC, 0, 0)
    ends = list (range (len (greeting) + 40)) \
        + random.sample (range (len (greeting) + 40, len (everything) - 40),
                         40) \
        + list (range (len (everything) - 40, len (everything) + 1))
    for end in ends:
        s = connect ()
        # A server that has had enough may be the first to go.
        try:
            s.sendall (everything[:end])
        except OSError:
            pass
        s.close ()
        page = look (0)
        whole = end >= len (greeting) + len (write)
        if page not in (OLD, NEW):
            sys.exit ("cut at %d: a page neither old nor new" % end)
        if page == NEW and not whole:
            sys.exit ("cut at %d: it was written all the same" % end)
        if page == NEW:
            put (0, OLD)
    is_served ()


def cut_replies ():
    """Gone after each byte that a server can send."""
    put (0, OLD)
    for end in list (range (60)) + list (range (4090, 4096 + 16 + 1)):
        s = ready ()
        s.sendall (request (READ, 0, PAGE) + request (WRITE, 0, PAGE, OLD))
        receive (s, end)
        s.close ()
    is_served ()


def stops_reading ():
    size = 1 << 20
    lazy = [ready () for i in range (4)]
    for s in lazy:
        s.setblocking (False)
        try:
            for i in range (64):
                s.send (request (READ, 0, size))
        except BlockingIOError:
            pass
    for i in range (50):
        is_served ()
    for s in lazy:
        s.close ()
    is_served ()


def crowd (count):
    """So many at once, who wait for what the shell does then."""
    soft, hard = resource.getrlimit (resource.RLIMIT_NOFILE)
    resource.setrlimit (resource.RLIMIT_NOFILE, (min (4096, hard), hard))
    all = []
    for i in range (count):
        s = connect ()
        s.sendall (hello ())
        all.append (s)
    for s in all:
        finish_handshake (s)
    print ("connected", flush=True)
    sys.stdin.readline ()
    for s in all:
        s.sendall (request (READ, 0, PAGE))
    for s in all:
        reply (s, PAGE)
    print ("answered", flush=True)
    sys.stdin.readline ()


def each_name (count):
    """Ask for so many exports."""
    for i in range (count):
        ready (b"export %d" % i).close ()


def removed (name):
    """Clients of an export that is removed meanwhile are told so."""
    clients = {kind: ready (name) for kind in (READ, WRITE, FLUSH)}
    print ("connected", flush=True)
    sys.stdin.readline ()
    for kind, s in clients.items ():
        size = 0 if kind == FLUSH else PAGE
        s.sendall (request (kind, 0, size, OLD if kind == WRITE else b""))
        try:
            reply (s, size if kind == READ else 0)
        except (ConnectionError, OSError):
            continue
        sys.exit ("request %d succeeded" % kind)


what = sys.argv[1]
if what == "crowd":
    crowd (int (sys.argv[3]))
elif what == "names":
    each_name (int (sys.argv[3]))
elif what == "removed":
    removed (sys.argv[3].encode ())
else:
    {"cut-requests": cut_requests, "cut-replies": cut_replies,
     "stops-reading": stops_reading}[what] ()
