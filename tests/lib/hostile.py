# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers of a control socket that nobody would want: hostile.py SOCKET SEED
runs all of them at once until its standard input ends.  In between, an
honest one asks for the status, and must get it."""

import json
import random
import select
import socket
import struct
import sys
import threading
import time

path, seed = sys.argv[1], int (sys.argv[2])
stop = threading.Event ()
broken = []


def connect (timeout=10):
    s = socket.socket (socket.AF_UNIX)
    s.settimeout (timeout)
    s.connect (path)
    return s


def noise (r):
    """Bytes of any kind, newlines among them."""
    with connect () as s:
        for i in range (r.randrange (20)):
            s.sendall (r.randbytes (r.randrange (1, 5000))
                       .replace (b"\0", b"\n" if r.random () < .5 else b"\0"))


VALUES = (b"1", b"-1", b"1e400", b"-0", b"9" * 400, b'"\xff"', b'"\\u0000"',
          b"[" * 3000, b"{" * 100, b"null", b"true", b'"' + b"x" * 3000,
          b"0.1", b"1E5", b'"idle"', b'"all"', b"[[]]", b"{}", b"NaN",
          b"18446744073709551615", b"9223372036854775807",
          b"-9223372036854775808", b'"\\ud800"')
VERBS = (b"status", b"metrics", b"pages", b"idle", b"recompress", b"compact",
         b"trim-empty", b"Status", b"", b"status\\n")
KEYS = (b"age", b"first", b"end", b"count", b"type", b"threshold", b"group",
        b"max_pages", b"priority", b"device", b"verb", b"", b"x\\n\x01")


def almost (r):
    """Requests that could nearly be meant."""
    with connect () as s:
        reader = s.makefile ("rb")
        for i in range (20):
            pairs = [b'"verb": "%s"' % r.choice (VERBS)]
            for j in range (r.randrange (4)):
                pairs.append (b'"%s": %s' % (r.choice (KEYS),
                                             r.choice (VALUES)))
            line = b"{" + b", ".join (pairs) + b"}"
            if r.random () < .2:
                line = line[:r.randrange (1, len (line))]
            if line.count (b"\n") == 0 and line.strip ():
                s.sendall (line + b"\n")
                reply = reader.readline ()
                if reply:       # or our place was taken
                    check_reply (line, reply)


def check_reply (request, reply):
    reply = json.loads (reply)
    if reply["ok"] is not True:
        error = reply["error"]
        if not error or not error.isprintable ():
            broken.append ("%r is answered by %r" % (request, reply))


def deaf (r):
    """Asks and asks, and takes no reply."""
    with connect () as s:
        s.setsockopt (socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.settimeout (.3)
        for i in range (3000):
            s.sendall (b'{"verb": "metrics"}\n')


def endless (r):
    """A line without an end."""
    with connect () as s:
        s.settimeout (1)
        for i in range (40):
            s.sendall (b'{"verb": "status",' + b" " * 30000)


def slow (r):
    with connect () as s:
        for c in b'{"verb": "sta':
            s.sendall (bytes ([c]))
            time.sleep (.02)


def crowd (r):
    """Takes all places, and more."""
    peers = []
    try:
        for i in range (40):
            peers.append (connect ())
        time.sleep (.05)
    finally:
        for p in peers:
            p.close ()


def coming_and_going (r):
    for i in range (50):
        s = connect ()
        if r.random () < .5:
            s.sendall (b'{"verb": "status"}\n'[:r.randrange (20)])
        if r.random () < .5:
            s.shutdown (r.choice ((socket.SHUT_RD, socket.SHUT_WR)))
        s.close ()


def hanging_up (r):
    """Orders work and does not wait for it."""
    for i in range (10):
        with connect () as s:
            s.sendall (r.choice ((
                b'{"verb": "compact"}\n', b'{"verb": "recompress"}\n',
                b'{"verb": "recompress", "group": true}\n',
                b'{"verb": "trim-empty"}\n',
                b'{"verb": "set", "algorithm": "lz4hc"}\n',
                b'{"verb": "set", "algorithm": "zstd"}\n',
                b'{"verb": "set", "algorithm": "lz4"}\n',
                b'{"verb": "idle", "age": 0}\n')))
            time.sleep (r.random () * .01)


def patient ():
    """Waits for its turn to connect, which connect does not: with a
    timeout Python does not let the kernel wait."""
    s = socket.socket (socket.AF_UNIX)
    timeout = struct.pack ("ll", 60, 0)
    s.setsockopt (socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
    s.setsockopt (socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
    s.connect (path)
    return s


def honest (r):
    """Its place may be taken, but not again and again."""
    for i in range (20):
        try:
            with patient () as s:
                s.sendall (b'{"verb": "status"}\n')
                reply = s.makefile ("rb").readline ()
        except OSError:
            reply = b""
        if reply:
            if json.loads (reply)["name"] == "zram0":
                return
            broken.append ("status is %r" % reply)
    broken.append ("no status in 20 tries")


def run (peer, r):
    while not stop.is_set () and not broken:
        try:
            peer (r)
        except OSError:
            pass                # what they get
        except Exception as e:
            broken.append ("%s: %r" % (peer.__name__, e))
            return
        time.sleep (.005)


peers = (noise, almost, deaf, endless, slow, crowd, coming_and_going,
         hanging_up, honest)
threads = [threading.Thread (target=run, args=(p, random.Random (seed + i)))
           for i, p in enumerate (peers)]
for t in threads:
    t.start ()
while not broken and not select.select ([sys.stdin], [], [], .2)[0]:
    pass
stop.set ()
for t in threads:
    t.join ()
if broken:
    sys.exit (broken[0])
