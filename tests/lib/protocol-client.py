# SPDX-License-Identifier: GPL-2.0-or-later
"""The client of nbd_protocol.py notices each reply that breaks a rule: it
gets replies from a table, and must refuse those that are wrong, and no
others."""

import socket
import struct
import sys

from nbd_protocol import *

SIZE = 1 << 20
GREETING = NBDMAGIC + IHAVEOPT + b"\0\3"
ALL = HAS_FLAGS | SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES \
    | SEND_CACHE | SEND_FAST_ZERO


def rep (option, kind, data=b"", magic=OPTION_REPLY_MAGIC):
    return struct.pack (">QIII", magic, option, kind, len (data)) + data


def info (size=SIZE, flags=ALL):
    return rep (OPT_GO, REP_INFO, struct.pack (">HQH", 0, size, flags))


def simple (error=0, cookie=1, data=b""):
    return struct.pack (">IIQ", SIMPLE_MAGIC, error, cookie) + data


def chunk (kind, payload=b"", flags=DONE, cookie=1, offset=None):
    if offset is None:
        return struct.pack (">IHHQI", STRUCTURED_MAGIC, flags, kind, cookie,
                            len (payload)) + payload
    return struct.pack (">IHHQQQ", EXTENDED_MAGIC, flags, kind, cookie,
                        offset, len (payload)) + payload


def data (offset, size, **options):
    return chunk (CHUNK_DATA, struct.pack (">Q", offset) + b"d" * size,
                  **options)


def hole (offset, size, **options):
    return chunk (CHUNK_HOLE, struct.pack (">QI", offset, size), **options)


def error (number, offset=None, message=b"", size=None, **options):
    payload = struct.pack (">IH", number, len (message) if size is None
                           else size) + message
    if offset is None:
        return chunk (CHUNK_ERROR, payload, **options)
    return chunk (CHUNK_ERROR_OFFSET, payload + struct.pack (">Q", offset),
                  **options)


def status (*extents, context=7, **options):
    return chunk (CHUNK_STATUS, struct.pack (">I", context) + b"".join (
        struct.pack (">II", *e) for e in extents), **options)


def status64 (*extents, count=None, offset=0, **options):
    return chunk (CHUNK_STATUS_EXT, struct.pack (
        ">II", 7, len (extents) if count is None else count) + b"".join (
        struct.pack (">QQ", *e) for e in extents), offset=offset, **options)


ack = rep (OPT_GO, REP_ACK)
block_size = struct.pack (">HIII", 3, 1, 4096, 1 << 25)

# Replies to GO.
HANDSHAKES = (
    (True, info () + ack),
    (True, info () + rep (OPT_GO, REP_INFO, block_size) + ack),
    (False, ack),
    (False, info () + info () + ack),
    (False, rep (OPT_INFO, REP_ACK)),
    (False, info () + rep (OPT_GO, REP_ACK, b"x")),
    (False, info () + rep (OPT_GO, REP_ACK, magic=1)),
    (False, info (flags=ALL & ~HAS_FLAGS) + ack),
    (False, info (flags=ALL | SEND_DF) + ack),
    (False, info (flags=ALL & ~SEND_WRITE_ZEROES) + ack),
    (False, info (flags=ALL | BLOCK_STATUS_PAYLOAD) + ack),
    (False, info (flags=ALL | 1 << 15) + ack),
    (False, rep (OPT_GO, REP_INFO, b"\0\0" + bytes (9)) + ack),
    (False, rep (OPT_GO, REP_SERVER, bytes (4)) + info () + ack),
    (False, rep (OPT_GO, REP_INFO, b"\0\3" + bytes (12)) + info () + ack),
    (False, rep (OPT_GO, REP_INFO, b"\0\1a\xff") + info () + ack),
    (False, info () + rep (OPT_GO, ERR_UNKNOWN)),
    (False, rep (OPT_GO, 0x8000000b)),
    (False, rep (OPT_GO, ERR_UNSUP)),
)

# A style, a request (kind, offset, length, flags) and replies to it.
read = READ, 4096, 1024, 0
read_df = READ, 4096, 1024, DF
trim = TRIM, 4096, 1024, 0
extents = BLOCK_STATUS, 0, 8192, 0
one = BLOCK_STATUS, 0, 8192, REQ_ONE
at = dict (offset=4096)
REPLIES = (
    (True, SIMPLE, read, simple (data=b"x" * 1024)),
    (True, SIMPLE, read, simple (EIO)),
    (False, SIMPLE, read, simple (11)),
    (False, SIMPLE, read, simple (cookie=2)),
    (False, SIMPLE, read, simple (ENOTSUP)),
    (False, SIMPLE, read, simple (EOVERFLOW)),
    (False, SIMPLE, read, data (4096, 1024)),
    (False, SIMPLE, trim, simple () + simple ()),
    (False, SIMPLE, trim, b"\0" + simple ()),
    (False, SIMPLE, trim, chunk (CHUNK_NONE)),
    (True, STRUCTURED, trim, simple ()),
    (True, STRUCTURED, trim, chunk (CHUNK_NONE)),
    (True, STRUCTURED, read, data (4096, 1024)),
    (True, STRUCTURED, read, hole (4096, 1024)),
    (True, STRUCTURED, read, hole (4608, 512, flags=0) + data (4096, 512)),
    (True, STRUCTURED, read, data (4096, 1024, flags=0) + chunk (CHUNK_NONE)),
    (True, STRUCTURED, read, data (4096, 512, flags=0) + error (EIO, 4600)),
    (True, STRUCTURED, read, error (EIO, message=b"why")),
    (True, STRUCTURED, read_df, data (4096, 1024)),
    (True, STRUCTURED, read_df, error (EOVERFLOW)),
    (False, STRUCTURED, read, simple (data=b"x" * 1024)),
    (False, STRUCTURED, read, simple (EINVAL)),
    (False, STRUCTURED, read, data (4096, 1024, cookie=5)),
    (False, STRUCTURED, read, data (4096, 1024, flags=3)),
    (False, STRUCTURED, read, chunk (CHUNK_DATA, struct.pack (">Q", 4096)
                                     + bytes (1024), **at)),
    (False, STRUCTURED, read, data (4096, 1025)),
    (False, STRUCTURED, read, data (4095, 1024)),
    (False, STRUCTURED, read, data (4097, 1024)),
    (False, STRUCTURED, read, data (4096, 1023)),
    (False, STRUCTURED, read, data (4097, 1023)),
    (False, STRUCTURED, read, data (4096, 0, flags=0) + data (4096, 1024)),
    (False, STRUCTURED, read, hole (4096, 0, flags=0) + data (4096, 1024)),
    (False, STRUCTURED, read, data (4096, 600, flags=0) + hole (4695, 425)),
    (False, STRUCTURED, read, data (4096, 1024, flags=0) + data (4096, 1024)),
    (False, STRUCTURED, read, error (EIO, 4200, flags=0) + data (4096, 1024)),
    (False, STRUCTURED, read, error (EIO, 4095)),
    (False, STRUCTURED, read, error (EIO, 5120)),
    (False, STRUCTURED, read, error (0)),
    (False, STRUCTURED, read, error (11)),
    (False, STRUCTURED, read, error (EIO, size=1)),
    (False, STRUCTURED, read, error (EIO, message=b"\xff")),
    (False, STRUCTURED, read, error (EIO, flags=0) + error (EIO)),
    (False, STRUCTURED, read, chunk (CHUNK_NONE)),
    (False, STRUCTURED, read, chunk (CHUNK_NONE, b"x")),
    (False, STRUCTURED, read, chunk (CHUNK_NONE, flags=0)
     + data (4096, 1024)),
    (False, STRUCTURED, read, chunk (3)),
    (False, STRUCTURED, read, status ((8192, 0))),
    (False, STRUCTURED, read_df, data (4096, 512, flags=0) + data (4608, 512)),
    (False, STRUCTURED, trim, hole (4096, 1024)),
    (False, STRUCTURED, (FLUSH, 0, 0, 0), error (EIO, 0)),
    (True, STRUCTURED, extents, status ((8192, 3))),
    (True, STRUCTURED, extents, status ((4096, 3), (9999, 0))),
    (True, STRUCTURED, extents, status ((4096, 3))),
    (True, STRUCTURED, extents, error (EINVAL)),
    (True, STRUCTURED, one, status ((8192, 3))),
    (False, STRUCTURED, extents, simple ()),
    (False, STRUCTURED, extents, chunk (CHUNK_NONE)),
    (False, STRUCTURED, extents, status ()),
    (False, STRUCTURED, extents, status ((0, 0), (8192, 3))),
    (False, STRUCTURED, extents, status ((8192, 3), (1, 0))),
    (False, STRUCTURED, extents, status ((SIZE + 1, 3))),
    (False, STRUCTURED, extents, status ((8192, 4))),
    (False, STRUCTURED, extents, status ((8192, 0), context=8)),
    (False, STRUCTURED, extents,
     status ((8192, 0), flags=0) + status ((8192, 0))),
    (False, STRUCTURED, extents, status64 ((8192, 0))),
    (False, STRUCTURED, one, status ((4096, 0), (4096, 3))),
    (False, STRUCTURED, one, status ((8193, 0))),
    (True, EXTENDED, trim, chunk (CHUNK_NONE, **at)),
    (True, EXTENDED, read, chunk (CHUNK_DATA, struct.pack (">Q", 4096)
                                  + bytes (1024), **at)),
    (True, EXTENDED, extents, status64 ((8192, 1))),
    (False, EXTENDED, trim, simple ()),
    (False, EXTENDED, trim, chunk (CHUNK_NONE)),
    (False, EXTENDED, trim, chunk (CHUNK_NONE, offset=0)),
    (False, EXTENDED, extents, status ((8192, 1), offset=0)),
    (False, EXTENDED, extents, status64 ((8192, 1), count=2)),
    (False, EXTENDED, extents, status64 ((8192, 1 << 32))),
    (False, EXTENDED, extents, status64 ((8192, 1), offset=1)),
)


def client (replies, **options):
    """A client that gets REPLIES, and then the end."""
    ours, theirs = socket.socketpair ()
    theirs.sendall (replies)
    theirs.shutdown (socket.SHUT_WR)
    return Client (ours, **options), theirs


def is_accepted (conversation, *args):
    c, theirs = client (*args)
    try:
        conversation (c)
        c.finish_all ()
        c.ends ()
    except (Broken, Closed):
        return False
    finally:
        theirs.close ()
        c.close ()
    return True


def main ():
    wrong = []
    for good, replies in HANDSHAKES:
        if is_accepted (Client.go, GREETING + replies) != good:
            wrong.append ((good, replies))
    for good, style, request, replies in REPLIES:
        def conversation (c):
            c.style, c.size, c.contexts = style, SIZE, {7: b"base:allocation"}
            c.call_raw (*request, cookie=1)
        if is_accepted (conversation, GREETING + replies) != good:
            wrong.append ((good, STYLE_NAMES[style], request, replies.hex ()))
    for greeting in (b"NBDMAGIC" + b"\0\0\x42\x02\x81\x86\x12\x53", b"\0" * 16,
                     NBDMAGIC + IHAVEOPT + b"\0\4",
                     NBDMAGIC + IHAVEOPT + b"\0\0"):
        try:
            client (greeting + bytes (4))
            wrong.append (greeting)
        except Broken:
            pass
    for w in wrong:
        print ("taken for the opposite: %r" % (w,))
    print ("%d replies" % (len (HANDSHAKES) + len (REPLIES)))
    sys.exit (1 if wrong else 0)


main ()
