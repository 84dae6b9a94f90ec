# SPDX-License-Identifier: GPL-2.0-or-later
"""Every request in each style of replies, legal and illegal:
protocol-requests.py SOCKET LARGE READONLY, the sockets of a disk of 64 MiB
and a bit, of one of 1 TiB, and of one that can't be written."""

import os
import random
import socket
import struct
import sys
import time

from nbd_protocol import *

path, large, read_only = sys.argv[1:]

KINDS = READ, WRITE, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS
LEGAL = {READ: FUA | DF, WRITE: FUA, FLUSH: FUA, TRIM: FUA, CACHE: FUA,
         WRITE_ZEROES: FUA | NO_HOLE | FAST_ZERO, BLOCK_STATUS: FUA | REQ_ONE}
PAGE = 4096


def legal_flags (kind, style):
    return LEGAL[kind] & ~(DF if style == SIMPLE else 0)


def is_in_step (c):
    assert c.read (0, 512) is not None


def all_subsets (flags):
    return [n for n in range (flags + 1) if n & ~flags == 0]


# ---- what is legal ----

def legal_requests (style):
    with connect (path, style) as c:
        for kind in KINDS:
            for flags in all_subsets (legal_flags (kind, style)):
                if kind == BLOCK_STATUS and style == SIMPLE:
                    continue
                for offset, length in ((0, 512), (1, 1), (4095, 2),
                                       (PAGE, PAGE), (100, 70000),
                                       (c.size - 1, 1), (c.size - 600, 600)):
                    check_legal (c, kind, flags, offset, length)
        c.disconnect ()


def check_legal (c, kind, flags, offset, length):
    old = os.urandom (length)
    c.write (offset, old)
    if kind == WRITE:
        new = os.urandom (length)
        c.write (offset, new, flags)
        old = new
    elif kind == READ:
        assert c.read (offset, length, flags) == old
    elif kind == FLUSH:
        c.succeed (FLUSH, flags=flags)
    else:
        request = c.call (kind, offset, length, flags)
        assert not request.error or request.error == ENOTSUP, request.error
        if kind in (TRIM, WRITE_ZEROES) and not request.error:
            new = c.read (offset, length)
            assert kind == TRIM or new == bytes (length)
            assert all (b in (0, o) for b, o in zip (new, old))
            old = new
    assert c.read (offset, length) == old


def large_requests (style):
    """32 MiB, which every server should take, and more."""
    with connect (path, style) as c:
        size = 32 << 20
        data = os.urandom (1 << 20) * 32
        c.write (513, data)
        assert c.read (513, size) == data
        if style != SIMPLE:
            request = c.call (READ, 513, size, DF)
            assert request.error == EOVERFLOW or request.data == data
            assert c.read (513, 65536, DF) == data[:65536]
        request = c.call (READ, 0, c.size)
        assert request.error in (EOVERFLOW, EINVAL, ENOMEM) \
            or request.data[513:513 + size] == data
        c.succeed (WRITE_ZEROES, 0, c.size)
        assert c.read (513, size) == bytes (size)
        c.succeed (TRIM, 0, c.size)
        c.succeed (CACHE, 0, c.size)
        c.disconnect ()


def larger_than_the_largest_payload (style):
    """A server may end the connection, or take the payload and refuse it."""
    with connect (path, style) as c:
        c.write (0, b"o" * PAGE)
        try:
            c.call (WRITE, 0, data=b"n" * (48 << 20))
            is_in_step (c)
        except Closed:
            pass
    with connect (path, style) as c:
        assert c.read (0, PAGE) in (b"o" * PAGE, b"n" * PAGE)
        c.disconnect ()


def enormous_writes (style):
    lengths = [0xffffffff, 0x80000000, 0xfffffe00]
    if style == EXTENDED:
        lengths += [1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1]
    with connect (path, style) as c:
        c.write (0, b"o" * PAGE)
        c.disconnect ()
    flags = PAYLOAD_LEN if style == EXTENDED else 0
    for length in lengths:
        for offset in 0, PAGE, (1 << 64) - length & (1 << 64) - 1:
            with connect (path, style) as c:
                try:
                    r = c.prepare_raw (WRITE, offset, length, flags)
                    c.send (r.bytes + b"n" * 100000)
                    c.socket.shutdown (socket.SHUT_WR)
                    c.finish_until_closed ()
                except (Closed, OSError):
                    pass
                assert not r.finished or r.error
    with connect (path, style) as c:
        assert c.read (0, PAGE) == b"o" * PAGE
        c.disconnect ()


def large_disk (style):
    """Lengths that are legal only on a disk that is large enough."""
    with connect (large, style) as c:
        c.write (1 << 33, b"x" * PAGE)
        lengths = [0xffffffff, 0xfffff000, 0x80000000]
        if style == EXTENDED:
            lengths += [1 << 32, (1 << 32) + 1, 1 << 39, c.size - PAGE]
        for length in lengths:
            for kind in TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS:
                if kind == BLOCK_STATUS and style == SIMPLE:
                    continue
                for flags in all_subsets (legal_flags (kind, style)):
                    r = c.call (kind, PAGE, length, flags)
                    assert not r.error or flags & FAST_ZERO, (
                        r, r.error)
            r = c.call (READ, PAGE, length)
            assert r.error in (EOVERFLOW, EINVAL, ENOMEM), r.error
        c.disconnect ()


def length_0 (style):
    """Its meaning is not specified, but it is answered."""
    with connect (path, style) as c:
        for kind in KINDS:
            for offset in 0, 1, c.size - 1, c.size, c.size + 1, 1 << 63, \
                    (1 << 64) - 1:
                c.call (kind, offset, 0)
            c.call_raw (kind, 0, 0, 0)
        is_in_step (c)
        c.disconnect ()


# ---- what is refused ----

def illegal_flags (style):
    with connect (path, style) as c:
        data = os.urandom (PAGE)
        c.write (0, data)
        for kind in KINDS:
            for bit in range (16):
                if 1 << bit & legal_flags (kind, style) or \
                        style == EXTENDED and kind == WRITE and \
                        1 << bit == PAYLOAD_LEN:
                    continue
                r = illegal_flag (c, style, kind, 1 << bit)
                assert r.error == EINVAL, (r, r.error)
                r = illegal_flag (c, style, kind, 1 << bit | FUA)
                assert r.error == EINVAL, (r, r.error)
        assert c.read (0, PAGE) == data
        c.disconnect ()


def illegal_flag (c, style, kind, flags):
    """A request with a flag that it can't have, and its payload."""
    length = 0 if kind == FLUSH else PAGE
    if style != EXTENDED:
        payload = bytes (PAGE if kind == WRITE else 0)
    elif kind == WRITE:
        flags |= PAYLOAD_LEN
        payload = bytes (PAGE)
    else:
        # With it, length is that of a payload.
        payload = bytes (length if flags & PAYLOAD_LEN else 0)
    return c.call_raw (kind, 0, length, flags, payload)


def write_without_its_flag (style):
    """With extended headers a write should have PAYLOAD_LEN.  Clients of qemu
    10 leave it away, and their data follows as it always did."""
    if style != EXTENDED:
        return
    with connect (path, style) as c:
        c.write (PAGE, b"o" * PAGE)
        r = c.call_raw (WRITE, PAGE, PAGE, FUA, b"n" * PAGE)
        assert not r.error, r.error
        assert c.read (PAGE, PAGE) == b"n" * PAGE
        # Without data it waits for them.
        c.send (c.prepare_raw (WRITE, PAGE, PAGE, 0, b"").bytes)
        c.socket.shutdown (socket.SHUT_WR)
        c.finish_until_closed ()
    with connect (path, style) as c:
        assert c.read (PAGE, PAGE) == b"n" * PAGE
        c.disconnect ()


def status_of_chosen_contexts (style):
    """A payload that selects contexts, with extended headers only."""
    if style != EXTENDED:
        return
    with connect (path, style) as c:
        known, = c.contexts
        good = c.flags & BLOCK_STATUS_PAYLOAD
        for ids, is_good in ((known,), True), ((known ^ 1,), False), \
                ((known, known), False):
            payload = struct.pack (">Q", PAGE) + b"".join (
                struct.pack (">I", i) for i in ids)
            r = c.prepare_raw (BLOCK_STATUS, 0, len (payload), PAYLOAD_LEN,
                               payload)
            # What is checked is the length that the server has to use.
            r.length = PAGE
            c.send (r.bytes)
            c.finish (r)
            assert r.error == (0 if good and is_good else EINVAL), (r, ids)
        for size in 1, 4, 7, 9, 13, 70000:
            r = c.call_raw (BLOCK_STATUS, 0, size, PAYLOAD_LEN, bytes (size))
            assert r.error == EINVAL, r
        c.disconnect ()


def beyond_the_end (style):
    with connect (path, style) as c:
        data = os.urandom (PAGE)
        c.write (c.size - PAGE, data)
        ranges = [(c.size, 1), (c.size - 1, 2), (c.size - PAGE, PAGE + 1),
                  (c.size + PAGE, PAGE), ((1 << 63) - 1, PAGE),
                  (1 << 63, PAGE), ((1 << 64) - 1, 1), ((1 << 64) - 1, PAGE),
                  ((1 << 64) - PAGE, PAGE), ((1 << 64) - PAGE, 2 * PAGE)]
        for offset, length in ranges:
            for kind in KINDS:
                if kind != FLUSH:
                    payload = bytes (length) if kind == WRITE else b""
                    check_beyond (c, c.call (kind, offset, length,
                                             data=payload))
        # No payload goes with these.
        lengths = [0x7fffffff, 0x80000000, 0xffffffff]
        if style == EXTENDED:
            lengths += [1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63,
                        (1 << 64) - PAGE, (1 << 64) - 1]
        for length in lengths:
            for offset in 0, 1, PAGE, c.size - 1, c.size, \
                    -length & (1 << 64) - 1, PAGE - length & (1 << 64) - 1:
                for kind in READ, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS:
                    check_beyond (c, c.call (kind, offset, length))
        assert c.read (c.size - PAGE, PAGE) == data
        c.disconnect ()


def check_beyond (c, r):
    wanted = ENOSPC if r.kind in (WRITE, WRITE_ZEROES) else EINVAL
    # A request without a payload may be too large as well.
    assert r.error in (wanted, *(
        (EOVERFLOW, EINVAL) if r.length > c.max_payload else ())), (r, r.error)


def unknown_commands (style):
    with connect (path, style) as c:
        for kind in 8, 9, 10, 255, 256, 0x8000, 0xffff:
            for offset, length in (0, 0), (0, PAGE), (1 << 63, 0xffffffff):
                for flags in 0, FUA, 0x8000:
                    assert c.call_raw (kind, offset, length,
                                       flags).error == EINVAL
        is_in_step (c)
        c.disconnect ()


def flush_with_a_range (style):
    """Must be 0, and what a server does otherwise is open."""
    with connect (path, style) as c:
        for offset, length in (0, 1), (1, 0), (PAGE, PAGE), (1 << 63, PAGE):
            assert c.call (FLUSH, offset, length).error in (0, EINVAL)
        is_in_step (c)
        c.disconnect ()


def wrong_magic (style):
    right = EXTENDED_REQUEST_MAGIC if style == EXTENDED else REQUEST_MAGIC
    for magic in (0, REQUEST_MAGIC, EXTENDED_REQUEST_MAGIC, 0x12560953,
                  0x25609514, SIMPLE_MAGIC, 0x13956025, right ^ 1,
                  right ^ 1 << 31):
        if magic == right:
            continue
        with connect (path, style) as c:
            c.send (struct.pack (">I", magic) + encode_request (
                style, READ, 0, 512)[4:])
            c.ends ()


def status_without_a_context (style):
    with connect (path, style, contexts=False) as c:
        for flags in 0, REQ_ONE:
            r = c.call (BLOCK_STATUS, 0, PAGE, flags)
            assert r.error == EINVAL, r.error
        is_in_step (c)
        c.disconnect ()


def read_only_disk (style):
    with connect (read_only, style) as c:
        assert c.flags & READ_ONLY
        old = c.read (0, PAGE)
        for offset, length in (0, PAGE), (1, 70000), (c.size - 1, 1):
            for flags in 0, FUA:
                for kind in WRITE, TRIM, WRITE_ZEROES:
                    r = c.call (kind, offset, length, flags, data=b"x" * (
                        length if kind == WRITE else 0))
                    assert r.error == EPERM, r.error
        c.call (FLUSH)
        assert c.read (0, PAGE) == old
        c.call (CACHE, 0, PAGE)
        c.disconnect ()


# ---- many at once ----

def one_cookie (style):
    """That of a request in flight, and the largest and smallest ones."""
    with connect (path, style) as c:
        c.write (0, b"c" * PAGE)
        for cookie in 0, 1, (1 << 64) - 1:
            for kind, length in (FLUSH, 0), (READ, PAGE), (CACHE, PAGE):
                requests = [c.prepare (kind, 0, length, cookie=cookie)
                            for i in range (8)]
                c.send (b"".join (r.bytes for r in requests))
                c.finish_all ()
                assert not any (r.error for r in requests)
                if kind == READ:
                    assert {r.data for r in requests} == {b"c" * PAGE}
        c.disconnect ()


def many_at_once (style):
    """300 requests in one message, and their replies in any order."""
    r = random.Random (style)
    with connect (path, style) as c:
        for i in range (100):
            c.write (i * PAGE, bytes ([i]) * PAGE)
        requests = []
        for i in range (300):
            page = r.randrange (100)
            if i < 100:
                requests.append (c.prepare (
                    WRITE, (200 + i) * PAGE, data=bytes ([i + 1]) * 512))
            elif i < 200:
                requests.append (c.prepare (READ, page * PAGE + 7, 300))
            else:
                requests.append (c.prepare (*r.choice ((
                    (FLUSH,), (TRIM, 500 * PAGE, 9999), (CACHE, 0, PAGE),
                    (WRITE_ZEROES, 600 * PAGE, 9999), (77, 1, 1),
                    (READ, c.size, 1), (READ, 0, 1),
                    (BLOCK_STATUS, 0, PAGE)))))
        r.shuffle (requests)
        c.send (b"".join (request.bytes for request in requests))
        c.finish_all ()
        for request in requests:
            if request.kind == READ and request.length == 300:
                assert request.data == bytes ([request.offset // PAGE]) * 300
        for i in range (100):
            assert c.read ((200 + i) * PAGE, 512) == bytes ([i + 1]) * 512
        c.disconnect ()


def split_everywhere (style):
    """Into two parts at each byte, and into single bytes."""
    with connect (path, style) as c:
        def requests ():
            data = os.urandom (64)
            parts = [c.prepare (WRITE, 5, data=data),
                     c.prepare (FLUSH), c.prepare (CACHE, 0, 9),
                     c.prepare (WRITE_ZEROES, PAGE, 99),
                     c.prepare (BLOCK_STATUS, 0, PAGE)]
            return data, b"".join (p.bytes for p in parts)

        data, message = requests ()
        c.send (message)
        c.finish_all ()
        for at in range (1, len (message)):
            data, message = requests ()
            c.send (message[:at])
            time.sleep (.0005)
            c.send (message[at:])
            c.finish_all ()
            assert c.read (5, 64) == data
        data, message = requests ()
        for byte in message:
            c.socket.sendall (bytes ([byte]))
        c.finish_all ()
        assert c.read (5, 64) == data
        c.disconnect ()


# ---- the end ----

def disconnect_in_flight (style):
    """What came before DISC is executed and answered."""
    for kind, length in (WRITE, PAGE), (READ, 16384), (FLUSH, 0):
        for byte in b"ab" * 5:
            disconnect_with (style, kind, length, byte)


def disconnect_with (style, kind, length, byte):
    with connect (path, style) as c:
        content = bytes ([byte]) * length
        requests = [c.prepare (kind, i * PAGE if kind == WRITE else 0, length,
                               data=content if kind == WRITE else b"")
                    for i in range (16)]
        c.send (b"".join (r.bytes for r in requests)
                + encode_request (style, DISC))
        c.finish_until_closed ()
        for r in requests:
            # nbdkit refuses what its threads have not begun.
            if IS_NBDKIT and r.error == ESHUTDOWN:
                continue
            assert r.finished and not r.error, (r, r.error)
    if kind != WRITE:
        return
    with connect (path, style) as c:
        for r in requests:
            page = c.read (r.offset, PAGE)
            assert page == content or r.error
        c.disconnect ()


def disconnect_with_arguments (style):
    """Also one that is not as it should be is one."""
    for offset, length, flags in (0, PAGE, 0), (1 << 63, 0, 0), (0, 0, FUA):
        with connect (path, style) as c:
            c.send (encode_request (style, DISC, offset, length, flags))
            c.say_all_was_sent ()
            try:
                c.finish (c.prepare_raw (DISC, offset, length, flags,
                                         cookie=0))
            except Closed:
                pass


def nothing_after_disconnect (style):
    with connect (path, style) as c:
        c.write (0, b"o" * PAGE)
        c.send (encode_request (style, DISC) + c.prepare (
            WRITE, 0, data=b"n" * PAGE).bytes)
        c.ends ()
    with connect (path, style) as c:
        assert c.read (0, PAGE) == b"o" * PAGE
        c.disconnect ()


# ---- block status ----

def status_is_true (style):
    """What is said to be zeroes reads as zeroes."""
    if style == SIMPLE:
        return
    r = random.Random (7)
    with connect (path, style) as c:
        c.succeed (WRITE_ZEROES, 0, 1 << 20)
        for i in range (40):
            offset, length = r.randrange (1 << 20), r.randrange (1, 20000)
            length = min (length, (1 << 20) - offset)
            if r.random () < .5:
                c.write (offset, bytes ([1 + i]) * length)
            else:
                c.succeed (r.choice ((TRIM, WRITE_ZEROES)), offset, length)
        data = c.read (0, 1 << 20)
        for flags in 0, REQ_ONE:
            for length in 1, 512, 5000, 100001, 1 << 20:
                at = zeroes = 0
                while at < 1 << 20:
                    status = c.succeed (BLOCK_STATUS, at, min (
                        length, (1 << 20) - at), flags).status
                    (extents,) = status.values ()
                    for size, state in extents:
                        part = data[at:at + size]
                        assert not state & 2 or not any (part), (at, size)
                        zeroes += size if state & 2 else 0
                        at += size
                    if length < 5000:
                        at += r.randrange (10000)
                assert zeroes or length < 5000, "no zeroes are reported"
        c.disconnect ()


tests = (legal_requests, large_requests, larger_than_the_largest_payload,
         enormous_writes, large_disk, length_0, illegal_flags,
         write_without_its_flag, status_of_chosen_contexts, beyond_the_end,
         unknown_commands, flush_with_a_range, wrong_magic,
         status_without_a_context, read_only_disk, one_cookie, many_at_once,
         split_everywhere,
         disconnect_in_flight, disconnect_with_arguments,
         nothing_after_disconnect, status_is_true)
run_in_styles (tests, styles (path))
