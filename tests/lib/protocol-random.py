# SPDX-License-Identifier: GPL-2.0-or-later
"""Random conversations, legal and slightly wrong, against a model of the
disk: protocol-random.py SEED SECONDS SOCKET.  The same seed sends the same
bytes."""

import random
import struct
import sys
import time

from nbd_protocol import *

seed, seconds, path = int (sys.argv[1]), float (sys.argv[2]), sys.argv[3]

AREA = 1 << 20          # this much of the disk is used
KINDS = READ, WRITE, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS
FLAGS = {READ: FUA | DF, WRITE: FUA, FLUSH: FUA, TRIM: FUA, CACHE: FUA,
         WRITE_ZEROES: FUA | NO_HOLE | FAST_ZERO, BLOCK_STATUS: FUA | REQ_ONE}


class Model:
    """What the disk holds.  A byte that was trimmed is what it was or 0, and
    stays that as soon as it has been read."""

    def __init__ (self):
        self.bytes = bytearray (AREA)
        self.trimmed = bytearray (AREA)

    def write (self, offset, data):
        self.bytes[offset:offset + len (data)] = data
        self.trimmed[offset:offset + len (data)] = bytes (len (data))

    def trim (self, offset, length):
        self.trimmed[offset:offset + length] = b"t" * length

    def compare (self, offset, data):
        """Is this what a read of the disk may return?"""
        end = offset + len (data)
        if self.bytes[offset:end] != data:
            for i, byte in enumerate (data, offset):
                if byte != self.bytes[i] and (byte or not self.trimmed[i]):
                    return False
        self.write (offset, data)
        return True


# ---- requests ----

def some_range (r):
    """Often aligned, often short, never empty."""
    length = r.choice ((1, 512, 4096, 4096, 8192, 65536,
                        r.randrange (1, 20000)))
    offset = r.randrange (AREA - length + 1)
    if r.random () < .5:
        offset &= ~4095
    return offset, length


def some_flags (r, kind, style):
    flags = 0
    for bit in range (5):
        if FLAGS[kind] >> bit & 1 and r.random () < .3:
            flags |= 1 << bit
    return flags & ~DF if style == SIMPLE else flags


def some_bytes (r, length):
    return r.choice ((bytes (length), bytes ([r.randrange (256)]) * length,
                      r.randbytes (length)))


def good_request (r, c):
    kind = r.choice (KINDS)
    offset, length = some_range (r) if kind != FLUSH else (0, 0)
    data = some_bytes (r, length) if kind == WRITE else b""
    request = c.prepare (kind, offset, length, some_flags (r, kind, c.style),
                         data)
    request.payload = data
    request.wanted = (0, ENOTSUP) if request.flags & FAST_ZERO else (0,)
    if kind == BLOCK_STATUS and not c.contexts:
        request.wanted = EINVAL,
    return request


def wrong_request (r, c):
    """One that must be refused."""
    kind = r.choice (KINDS)
    offset, length = some_range (r)
    flags = PAYLOAD_LEN if kind == WRITE and c.style == EXTENDED else 0
    what = r.randrange (3)
    wanted = EINVAL,
    if what == 0:
        kind, flags = r.choice ((8, 9, 77, 65535)), 0
    elif what == 1 or kind == FLUSH:
        flags |= r.choice ([1 << i for i in range (6, 16)]
                           + ([DF] if kind != READ else [NO_HOLE]))
        length = 0 if kind == FLUSH else length
        offset = 0 if kind == FLUSH else offset
    else:
        offset = r.choice ((c.size, c.size - length + 1, (1 << 64) - length,
                            1 << 63))
        wanted = (ENOSPC if kind in (WRITE, WRITE_ZEROES) else EINVAL),
    request = c.prepare_raw (kind, offset, length, flags, some_bytes (
        r, length) if kind == WRITE else b"")
    request.wanted = wanted
    return request


def overlap (one, other):
    return one.offset < other.offset + other.length \
        and other.offset < one.offset + one.length


def batch (r, c, model):
    """Requests that are in flight at once.  None of them changes what
    another one uses."""
    requests, size = [], 0
    for i in range (r.choice ((1, 1, 2, 5, 20))):
        if r.random () < .15:
            request = wrong_request (r, c)
        else:
            request = good_request (r, c)
            if any (overlap (request, other) and
                    {request.kind, other.kind} & {WRITE, TRIM, WRITE_ZEROES}
                    for other in requests if 0 in other.wanted):
                c.pending.remove (request)
                continue
        # What is in flight must fit into the buffers of a socket, or a
        # server that does one thing at a time would wait for ever.
        size += request.length
        if requests and size > 100000:
            c.pending.remove (request)
            break
        requests.append (request)
    send_in_pieces (r, c, b"".join (q.bytes for q in requests))
    c.finish_all ()
    for request in requests:
        check (c, model, request)


def send_in_pieces (r, c, message):
    while message:
        n = r.choice ((1, 28, 1000, len (message), len (message)))
        c.send (message[:n])
        message = message[n:]


def check (c, model, q):
    c.rule (q.error in q.wanted, "error %d for %r, not one of %s", q.error, q,
            q.wanted)
    if q.error:
        return
    if q.kind == READ:
        c.rule (model.compare (q.offset, q.data), "other bytes for %r", q)
    elif q.kind == WRITE:
        model.write (q.offset, q.payload)
    elif q.kind == WRITE_ZEROES:
        model.write (q.offset, bytes (q.length))
    elif q.kind == TRIM:
        model.trim (q.offset, q.length)
    elif q.kind == BLOCK_STATUS:
        check_status (c, model, q)


def check_status (c, model, q):
    """What is said to be zeroes is, unless a trim has made it so."""
    extents, = q.status.values ()
    at = q.offset
    for length, state in extents:
        part = bytes (max (0, min (length, AREA - at)))
        if state & 2:
            c.rule (model.compare (at, part), "no zeroes at %d, %r", at, q)
        at += length


# ---- handshakes ----

def handshake (r, style):
    """A client that has said all kinds of things before GO.  None when the
    server had enough of them, which is its right."""
    c = Client (path, r.choice ((1, 3)))
    try:
        for i in range (r.randrange (6)):
            some_option (r, c)
        assert c.ask_style (style)
        for i in range (r.randrange (4)):
            some_option (r, c)
        if style != SIMPLE and r.random () < .8:
            c.set_contexts ()
        if style != EXTENDED and r.random () < .2:
            c.export_name ()
        else:
            c.go (infos=r.sample (range (6), r.randrange (6)))
    except Closed:
        c.close ()
        return None
    return c


def some_option (r, c):
    """One that changes nothing, and may be wrong."""
    option, data = r.choice ((
        (OPT_LIST, b""), (OPT_LIST, b"x"), (OPT_INFO, encode_go ()),
        (OPT_INFO, encode_go (infos=(0, 1, 2, 3, 4))),
        (OPT_LIST_META_CONTEXT, encode_meta ()), (OPT_STARTTLS, b""),
        (OPT_STRUCTURED_REPLY, b"x"), (OPT_GO, b"x"),
        (OPT_SET_META_CONTEXT, encode_meta (b"another")),
        (OPT_SET_META_CONTEXT, encode_meta ()[:-1]),
        (r.choice ((0, 4, 12, 1000, 0xffffffff)), r.randbytes (5))))
    if option in (OPT_INFO, OPT_LIST_META_CONTEXT) and r.random () < .3:
        data = bytearray (data)
        data[r.randrange (len (data))] ^= 1 << r.randrange (8)
        c.may_repeat = True
    c.option (option, bytes (data))
    c.may_repeat = False
    c.contexts = {}
    c.contexts_of = None


# ---- sessions ----

def end (r, c):
    what = r.randrange (4)
    if what == 0:
        c.close ()
    elif what == 1:
        c.socket.shutdown (1)
        c.ends ()
        c.close ()
    else:
        c.disconnect ()


def session (number, all_styles, model):
    r = random.Random ("%d %d" % (seed, number))
    c = handshake (r, r.choice (all_styles))
    if c:
        for i in range (r.randrange (1, 40)):
            batch (r, c, model)
        end (r, c)


def main ():
    until = time.monotonic () + seconds
    all_styles = styles (path)
    model = Model ()
    with connect (path) as c:
        c.succeed (WRITE_ZEROES, 0, AREA)
        c.disconnect ()
    number = 0
    while time.monotonic () < until:
        number += 1
        try:
            session (number, all_styles, model)
        except (Broken, Closed, AssertionError, OSError) as e:
            sys.exit ("session %d of SEED=%d: %r: %s" % (
                number, seed, e, e))
    print ("%d sessions" % number)


main ()
