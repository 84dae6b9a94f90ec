# SPDX-License-Identifier: GPL-2.0-or-later
"""Slow clients, clients that read nothing, and a crowd: none of them keeps
another client from being served.  protocol-slow.py PID SOCKET CROWD, where PID
is the server's and CROWD how many clients come at once."""

import os
import resource
import selectors
import socket
import struct
import sys
import threading
import time

from nbd_protocol import *

pid, path, crowd = sys.argv[1], sys.argv[2], int (sys.argv[3])

PAGE = 4096
# Where the crowd writes, and no other client.
CROWDED = 16 << 20


def is_served (times=1):
    for i in range (times):
        with connect (path, STRUCTURED) as c:
            c.write (i * PAGE, b"s" * PAGE)
            assert c.read (i * PAGE, PAGE) == b"s" * PAGE
            c.succeed (FLUSH)
            c.disconnect ()


def descriptors ():
    return len (os.listdir ("/proc/%s/fd" % pid))


def descriptors_return ():
    for i in range (1200):
        if descriptors () <= before:
            return
        time.sleep (.05)
    assert False, "%d descriptors, %d before" % (descriptors (), before)


# ---- slow handshakes ----

HANDSHAKE = struct.pack (">I", FIXED_NEWSTYLE | NO_ZEROES) \
    + encode_option (OPT_LIST) + encode_option (77, b"x" * 10) \
    + encode_option (OPT_GO, encode_go ())


def slow_handshakes ():
    """A hundred clients send a byte from time to time."""
    clients = [Client (path, None) for i in range (100)]
    for i, byte in enumerate (HANDSHAKE[:-1]):
        for c in clients:
            c.socket.sendall (bytes ([byte]))
        if i % 8 == 0:
            is_served ()
    is_served (10)
    # They are served, too, once they have said what they want.
    for c in clients[:50]:
        c.socket.sendall (HANDSHAKE[-1:])
        c.client_flags = FIXED_NEWSTYLE | NO_ZEROES
        for option in OPT_LIST, 77, OPT_GO:
            c.answer (option)
        assert len (c.read (0, PAGE)) == PAGE
        c.disconnect ()
    # The others go without a word.
    for c in clients[50:]:
        c.close ()
    is_served ()


def a_byte_a_second ():
    clients = [Client (path, None) for i in range (20)]
    for byte in HANDSHAKE[:6]:
        for c in clients:
            c.socket.sendall (bytes ([byte]))
        until = time.monotonic () + 1
        while time.monotonic () < until:
            is_served ()
    for c in clients:
        c.close ()


def slow_requests ():
    """Some stop in the middle of a write, others in that of a header."""
    clients = [connect (path) for i in range (30)]
    message = encode_request (SIMPLE, WRITE, 0, 1 << 20, data=bytes (1 << 20))
    for i, c in enumerate (clients):
        c.socket.sendall (message[:1 + i * 1000])
    is_served (20)
    for i, c in enumerate (clients[:5]):
        c.socket.sendall (message[1 + i * 1000:])
        c.finish (c.prepare (WRITE, 0, 1 << 20, cookie=0))
        c.disconnect ()
    for c in clients[5:]:
        c.close ()
    is_served ()


# ---- clients that read nothing ----

def send_all_that_goes (c, message, times):
    """Send requests until the server takes no more."""
    c.socket.settimeout (.5)
    try:
        for i in range (times):
            c.socket.sendall (message)
    except OSError:
        pass
    c.socket.settimeout (TIMEOUT)


def reads_nothing ():
    """Many large reads are in flight, and no reply is taken."""
    for style in styles (path):
        clients = [connect (path, style, small_buffer=True)
                   for i in range (4)]
        message = b"".join (encode_request (
            style, READ, i << 20, 4 << 20, cookie=i) for i in range (20))
        for c in clients:
            send_all_that_goes (c, message, 50)
        is_served (20)
        # One of them thinks better of it.
        c = clients[0]
        request = c.prepare (READ, 0, 4 << 20, cookie=0)
        while not request.finished:
            for i in range (1, 20):
                if not [r for r in c.pending if r.cookie == i]:
                    c.prepare (READ, i << 20, 4 << 20, cookie=i)
            c.read_reply ()
        for c in clients:
            c.close ()
        is_served ()


def reads_no_option_replies ():
    """Nor those of the handshake."""
    clients = [Client (path, small_buffer=True) for i in range (10)]
    for c in clients:
        send_all_that_goes (c, encode_option (OPT_INFO, encode_go (
            infos=(0, 1, 2, 3))) * 100, 100)
    is_served (10)
    for c in clients:
        c.close ()
    is_served ()


def stays_at_the_end ():
    """DISC, and then the client does not go."""
    clients = [connect (path) for i in range (20)]
    for c in clients:
        c.socket.sendall (encode_request (SIMPLE, READ, 0, 4 << 20)
                          + encode_request (SIMPLE, DISC))
    is_served (10)
    for c in clients:
        c.close ()


# ---- many ----

def a_crowd ():
    """All at once, and each is served while all the others are there."""
    waiting = selectors.DefaultSelector ()
    clients = []
    for i in range (crowd):
        c = Client (path)
        c.socket.sendall (encode_option (OPT_GO, encode_go ()))
        clients.append (c)
    for c in clients:
        assert c.answer (OPT_GO).final == REP_ACK
    for i, c in enumerate (clients):
        c.socket.sendall (c.prepare (
            WRITE, CROWDED + i * PAGE,
            data=struct.pack (">I", i) * 1024).bytes)
    for c in clients:
        c.finish_all ()
        waiting.register (c.socket, selectors.EVENT_READ)
    is_served ()
    for i, c in enumerate (clients):
        c.socket.sendall (c.prepare (READ, CROWDED + i * PAGE, PAGE).bytes)
    for i, c in enumerate (clients):
        request, = c.pending
        c.finish_all ()
        assert request.data == struct.pack (">I", i) * 1024
    # There is nothing that no client asked for.
    assert not waiting.select (0)
    for c in clients:
        c.socket.sendall (encode_request (SIMPLE, DISC))
    for c in clients:
        c.ends ()
        c.close ()


def come_and_go ():
    """Eight threads of clients, each of which does one thing."""
    failed = []

    def session (number):
        try:
            for i in range (40):
                with connect (path, i % 2) as c:
                    c.read (number * PAGE, PAGE)
                    if i % 4:
                        c.disconnect ()
        except Exception as e:
            failed.append (e)

    threads = [threading.Thread (target=session, args=(i,))
               for i in range (8)]
    for t in threads:
        t.start ()
    for t in threads:
        t.join ()
    if failed:
        raise failed[0]


soft, hard = resource.getrlimit (resource.RLIMIT_NOFILE)
resource.setrlimit (resource.RLIMIT_NOFILE, (min (4096, hard), hard))
is_served ()
time.sleep (.5)
before = descriptors ()
run_tests ((slow_handshakes, a_byte_a_second, slow_requests, reads_nothing,
            reads_no_option_replies, stays_at_the_end, a_crowd, come_and_go,
            descriptors_return))
