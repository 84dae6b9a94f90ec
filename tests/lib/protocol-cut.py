# SPDX-License-Identifier: GPL-2.0-or-later
"""The connection ends at each byte of each message in both directions:
protocol-cut.py PID SOCKET, or PID HOST PORT.  PID is the server's.  It goes on
to serve others, and has as many descriptors at the end as at the beginning.
A connection by TCP is reset, at some of the bytes only."""

import os
import socket
import struct
import sys
import time

from nbd_protocol import *

pid = sys.argv[1]
is_tcp = len (sys.argv) > 3
where = (sys.argv[2], int (sys.argv[3])) if is_tcp else sys.argv[2]

PAGE = 4096
OLD, NEW = b"o" * PAGE, b"n" * 96
ENDLESS = 1 << 30


class Cut (Exception):
    """The conversation has come to its end."""


class Mortal (Client):
    """A client whose connection ends after so many bytes."""

    def __init__ (self, where, flags, sends=ENDLESS, receives=ENDLESS):
        self.sent = self.received = 0
        self.may_send, self.may_receive = sends, receives
        super ().__init__ (where, flags)

    def send (self, data):
        left = self.may_send - self.sent
        super ().send (data[:left])
        self.sent += min (len (data), left)
        if len (data) >= left:
            raise Cut

    def receive (self, size):
        left = self.may_receive - self.received
        data = super ().receive (min (size, left))
        self.received += len (data)
        if size >= left:
            raise Cut
        return data


# ---- conversations ----

def converse (c, style):
    """All messages that there are.  C.written is how much the client has sent
    at the end of its write."""
    if style == SIMPLE:
        c.export_name ()
    else:
        c.option (OPT_LIST)
        c.option (77, b"data")
        c.option (OPT_STARTTLS)
        c.ask_style (style)
        c.option (OPT_LIST_META_CONTEXT, encode_meta ())
        c.set_contexts ()
        c.option (OPT_INFO, encode_go (infos=(0, 1, 2, 3)))
        c.go (infos=(0, 1, 2, 3))
    # One after the other, then all of them at once.
    first = c.prepare (WRITE, 0, data=NEW)
    c.written = c.sent + len (first.bytes)
    c.send (first.bytes)
    c.finish (first)
    c.call (READ, 0, 64)
    c.call (FLUSH)
    c.send (b"".join (c.prepare (*args).bytes for args in (
        (READ, PAGE, 64), (TRIM, 2 * PAGE, PAGE), (CACHE, 0, PAGE),
        (WRITE_ZEROES, 3 * PAGE, PAGE), (BLOCK_STATUS, 0, PAGE),
        (77, 0, PAGE), (READ, 0, 64)))
        + encode_request (style, DISC))
    c.finish_until_closed ()


def begin (style, **ends):
    """FLAGS of the simple style ask for all that EXPORT_NAME can send."""
    return Mortal (where, FIXED_NEWSTYLE | (
        NO_ZEROES if style != SIMPLE else 0), **ends)


# ---- ends ----

def close (c):
    pass


def stop_sending (c):
    """The server answers what was whole, and closes the connection."""
    c.socket.shutdown (socket.SHUT_WR)
    while c.socket.recv (65536):
        pass


def stop_receiving (c):
    """The server can't send any more."""
    c.socket.shutdown (socket.SHUT_RD)


def reset (c):
    c.socket.setsockopt (socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack ("ii", 1, 0))


def cut (style, end, **ends):
    """One conversation that ends early.  True when the write was whole."""
    c = None
    try:
        with begin (style, **ends) as c:
            try:
                converse (c, style)
            except Cut:
                end (c)
            except Closed as e:
                # This is where the last message ends.
                assert e.got == 0, e
            return c.sent >= getattr (c, "written", ENDLESS)
    except Cut:
        # In the greeting.
        return False
    except OSError:
        return True


def page_is_right (judge, may_be_new):
    page = judge.read (0, PAGE)
    assert page == OLD or may_be_new and page == NEW + OLD[len (NEW):], page
    if page != OLD:
        judge.write (0, OLD)


def descriptors ():
    return len (os.listdir ("/proc/%s/fd" % pid))


def wait_for_descriptors (count):
    for i in range (1200):
        if descriptors () <= count:
            return
        time.sleep (.05)
    assert False, "%d descriptors, %d before" % (descriptors (), count)


def cut_everywhere (style):
    judge = connect (where, style)
    judge.write (0, OLD)
    with begin (style) as whole:
        converse (whole, style)
    page_is_right (judge, True)
    print ("%s: %d bytes sent, %d received" % (
        STYLE_NAMES[style], whole.sent, whole.received))
    cuts = [(end, {"sends": n}) for n in range (1, whole.sent + 1)
            for end in ((reset,) if is_tcp else (close, stop_sending))]
    cuts += [(end, {"receives": n}) for n in range (1, whole.received + 1)
             for end in ((reset,) if is_tcp else (close, stop_receiving))]
    for i, (end, ends) in enumerate (cuts[::step]):
        page_is_right (judge, cut (style, end, **ends))
        if i % 8 == 0:
            with connect (where, style) as fresh:
                fresh.read (0, PAGE)
                fresh.disconnect ()
    judge.disconnect ()


def no_descriptor_is_left (style):
    wait_for_descriptors (before)


step = (7 if is_tcp else 1) * (10 if os.environ.get ("NBDZRAM_QUICK") else 1)
all_styles = styles (where)
time.sleep (.5)
before = descriptors ()
run_in_styles ((cut_everywhere, no_descriptor_is_left), all_styles)
