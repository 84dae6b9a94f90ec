# SPDX-License-Identifier: GPL-2.0-or-later
"""An NBD client that sends any bytes, and checks each reply by the rules of
the specification: doc/proto.md of NetworkBlockDevice/nbd, and its branch
extension-ext-header.

A Client connects, negotiates step by step (option, go ...), and sends
requests (request, call ...).  Each reply that it reads is checked; Broken is
raised when the server broke a rule, Closed when the server closed the
connection.  What a client must not send can be sent too: no method checks its
arguments."""

import struct
import sys
import traceback

from nbd_handshake import *             # noqa: F403
from nbd_handshake import Closed, Handshake     # noqa: F401


class Request:
    """A request, and what was answered."""

    def __init__ (self, kind, offset, length, flags, cookie):
        self.kind, self.offset, self.length = kind, offset, length
        self.flags, self.cookie = flags, cookie
        self.finished = False
        self.error = 0
        self.data = None        # of a read that succeeded
        self.parts = []         # (start, end, bytes or None for a hole)
        self.error_offsets = []
        self.plain_error = False
        self.status = {}        # context: [(length, flags)]
        self.chunks = 0

    def __repr__ (self):
        return "request kind %d offset %d length %d flags %d cookie %d" % (
            self.kind, self.offset, self.length, self.flags, self.cookie)


class Client (Handshake):
    """A connection in both phases of the protocol."""

    def __init__ (self, where, *args, **options):
        super ().__init__ (where, *args, **options)
        self.pending = []
        self.next_cookie = 0x1122334455667700

    # ---- requests ----

    def prepare (self, kind, offset=0, length=None, flags=None, data=b"",
                 cookie=None, answered=True):
        """A request that the caller sends: its bytes are in .bytes.  LENGTH
        and FLAGS are by default what DATA and the style require."""
        if length is None:
            length = len (data)
        if flags is None:
            flags = 0
        if self.style == EXTENDED and kind == WRITE and data:
            flags |= PAYLOAD_LEN
        return self.prepare_raw (kind, offset, length, flags, data, cookie,
                                 answered)

    def prepare_raw (self, kind, offset, length, flags, data=b"", cookie=None,
                     answered=True):
        """The same, with just these FLAGS."""
        if cookie is None:
            self.next_cookie += 1
            cookie = self.next_cookie
        request = Request (kind, offset, length, flags, cookie)
        request.bytes = encode_request (self.style, kind, offset, length,
                                        flags, cookie, data)
        if answered:
            self.pending.append (request)
        return request

    def request (self, *args, **options):
        request = self.prepare (*args, **options)
        self.note ("request: %r", request)
        self.send (request.bytes)
        return request

    def call (self, *args, **options):
        """Send a request, and wait for its reply."""
        return self.finish (self.request (*args, **options))

    def call_raw (self, *args, **options):
        request = self.prepare_raw (*args, **options)
        self.note ("request: %r", request)
        self.send (request.bytes)
        return self.finish (request)

    def finish (self, request):
        while not request.finished:
            self.read_reply ()
        return request

    def finish_all (self):
        while self.pending:
            self.read_reply ()

    def finish_until_closed (self):
        """Read replies until the server closes the connection, which it does
        between two of them."""
        self.say_all_was_sent ()
        while True:
            try:
                self.read_reply ()
            except Closed as e:
                self.rule (e.got == 0, "%s", e)
                return

    # ---- the usual requests ----

    def succeed (self, *args, **options):
        request = self.call (*args, **options)
        self.rule (not request.error, "error %d for %r", request.error,
                   request)
        return request

    def read (self, offset, length, flags=0):
        return self.succeed (READ, offset, length, flags).data

    def write (self, offset, data, flags=0):
        self.succeed (WRITE, offset, len (data), flags, data)

    def disconnect (self):
        """Say goodbye, and wait until the server closes the connection."""
        self.send (encode_request (self.style, DISC))
        self.ends ()
        self.close ()

    # ---- replies ----

    def read_reply (self):
        """Read and check one message of the server."""
        magic, = struct.unpack (">I", self.receive (4))
        try:
            if magic == SIMPLE_MAGIC:
                self.read_simple ()
            elif magic == STRUCTURED_MAGIC:
                self.read_chunk (*struct.unpack (">HHQI", self.receive (16)))
            elif magic == EXTENDED_MAGIC:
                flags, kind, cookie, offset, size = struct.unpack (
                    ">HHQQQ", self.receive (28))
                self.read_chunk (flags, kind, cookie, size, offset)
            else:
                self.rule (False, "magic of a reply: %x", magic)
        except Closed as e:
            raise Closed (e.got + 4, e.wanted + 4)

    def find (self, cookie):
        for request in self.pending:
            if request.cookie == cookie:
                return request
        self.rule (False, "the reply has cookie %x, which no request in "
                   "flight has", cookie)

    def end (self, request):
        request.finished = True
        self.pending.remove (request)

    def read_simple (self):
        error, cookie = struct.unpack (">IQ", self.receive (12))
        self.note ("got simple reply, error %d, cookie %x", error, cookie)
        self.rule (self.style != EXTENDED,
                   "a simple reply with extended headers")
        request = self.find (cookie)
        self.rule (request.kind != READ or self.style == SIMPLE,
                   "a simple reply to a read with structured replies")
        self.rule (request.chunks == 0, "a simple reply after chunks")
        if error:
            self.check_error (request, error)
        elif request.kind == READ:
            request.data = self.receive (request.length)
        else:
            self.rule (request.kind != BLOCK_STATUS,
                       "a simple reply is success for BLOCK_STATUS")
        self.end (request)

    def check_error (self, request, error):
        self.rule (error in ERRORS, "error %d is not of the specification",
                   error)
        self.rule (error != ENOTSUP or request.kind == WRITE_ZEROES and
                   request.flags & FAST_ZERO, "ENOTSUP for %r", request)
        self.rule (error != EOVERFLOW or
                   request.kind == READ and self.style != SIMPLE or
                   request.kind != WRITE and
                   request.length > self.max_payload, "EOVERFLOW for %r",
                   request)
        request.error = error

    def read_chunk (self, flags, kind, cookie, size, offset=None):
        self.note ("got chunk type %x, flags %x, cookie %x, %d bytes", kind,
                   flags, cookie, size)
        self.rule (self.style == (STRUCTURED if offset is None else EXTENDED),
                   "this form of reply was not negotiated")
        request = self.find (cookie)
        self.rule (offset is None or offset == request.offset,
                   "the header has offset %s", offset)
        self.rule (not flags & ~DONE, "flags %x of a chunk", flags)
        checks = {CHUNK_NONE: self.check_none, CHUNK_DATA: self.check_data,
                  CHUNK_HOLE: self.check_hole,
                  CHUNK_STATUS: self.check_status,
                  CHUNK_STATUS_EXT: self.check_status,
                  CHUNK_ERROR: self.check_error_chunk,
                  CHUNK_ERROR_OFFSET: self.check_error_chunk}
        self.rule (kind in checks, "a chunk of type %x", kind)
        # What is larger than the largest that is allowed is not read.
        limit = {CHUNK_NONE: 0, CHUNK_HOLE: 12,
                 CHUNK_DATA: 8 + min (request.length, self.max_chunk),
                 CHUNK_STATUS: 4 + (8 << 20),
                 CHUNK_STATUS_EXT: 8 + (16 << 20)}.get (kind, 14 + MAX_STRING)
        self.rule (size <= limit, "%d bytes of chunk type %x for %r", size,
                   kind, request)
        payload = self.receive (size)
        request.chunks += 1
        checks[kind] (request, kind, flags, payload)
        if flags & DONE:
            self.check_whole (request)
            self.end (request)

    def check_none (self, request, kind, flags, payload):
        self.rule (flags & DONE, "CHUNK_NONE without DONE")

    # ---- content chunks ----

    def check_data (self, request, kind, flags, payload):
        self.rule (len (payload) >= 9, "data of %d bytes", len (payload))
        offset, = struct.unpack_from (">Q", payload)
        self.add_content (request, offset, len (payload) - 8, payload[8:])

    def check_hole (self, request, kind, flags, payload):
        self.rule (len (payload) == 12, "a hole of %d bytes", len (payload))
        offset, length = struct.unpack (">QI", payload)
        self.rule (length > 0, "a hole of length 0")
        self.add_content (request, offset, length, None)

    def add_content (self, request, offset, length, data):
        self.rule (request.kind == READ, "content for %r", request)
        start, end = offset, offset + length
        self.rule (start >= request.offset and
                   end <= request.offset + request.length,
                   "content at %d to %d for %r", start, end, request)
        for s, e, d in request.parts:
            self.rule (end <= s or start >= e,
                       "content at %d to %d overlaps %d to %d", start, end,
                       s, e)
        for o in request.error_offsets:
            self.rule (not start <= o < end,
                       "content at %d to %d after an error at %d", start,
                       end, o)
        self.rule (not request.flags & DF or not request.parts,
                   "two content chunks with DF")
        request.parts.append ((start, end, data))

    def check_whole (self, request):
        """All chunks are there: is it all that is wanted?"""
        if request.error:
            return
        if request.kind == READ:
            data, at = [], request.offset
            for start, end, part in sorted (request.parts,
                                            key=lambda p: p[:2]):
                self.rule (start == at, "no content at %d to %d", at, start)
                data.append (bytes (end - start) if part is None else part)
                at = end
            self.rule (at == request.offset + request.length,
                       "the content ends at %d in %r", at, request)
            request.data = b"".join (data)
        if request.kind == BLOCK_STATUS:
            self.rule (set (request.status) == set (self.contexts),
                       "status of contexts %s instead of %s",
                       list (request.status), list (self.contexts))

    # ---- status chunks ----

    def check_status (self, request, kind, flags, payload):
        self.rule (request.kind == BLOCK_STATUS, "status for %r", request)
        self.rule ((kind == CHUNK_STATUS_EXT) == (self.style == EXTENDED),
                   "chunk type %d in this style", kind)
        first, entry = (8, ">QQ") if kind == CHUNK_STATUS_EXT else (4, ">II")
        size = struct.calcsize (entry)
        self.rule (len (payload) >= first + size and
                   (len (payload) - first) % size == 0,
                   "status of %d bytes", len (payload))
        context, = struct.unpack_from (">I", payload)
        if kind == CHUNK_STATUS_EXT:
            count, = struct.unpack_from (">I", payload, 4)
            self.rule (count == (len (payload) - first) // size,
                       "status of %d bytes has %d entries", len (payload),
                       count)
        self.rule (context in self.contexts, "unknown context %d", context)
        self.rule (context not in request.status, "context %d twice", context)
        extents = list (struct.iter_unpack (entry, payload[first:]))
        self.check_extents (request, extents)
        request.status[context] = extents

    def check_extents (self, request, extents):
        self.rule (all (length > 0 for length, state in extents),
                   "an extent of length 0 in %s", extents)
        self.rule (all (not state & ~3 for length, state in extents),
                   "unknown state in %s", extents)
        total = sum (length for length, state in extents)
        self.rule (total - extents[-1][0] < max (request.length, 1),
                   "extents %s after the end of %r", extents, request)
        self.rule (request.offset + total <= self.size,
                   "extents %s beyond the end of the disk, %r", extents,
                   request)
        if request.flags & REQ_ONE:
            self.rule (len (extents) == 1 and total <= request.length,
                       "extents %s for REQ_ONE of %d", extents,
                       request.length)

    # ---- error chunks ----

    def check_error_chunk (self, request, kind, flags, payload):
        fixed = 14 if kind == CHUNK_ERROR_OFFSET else 6
        self.rule (len (payload) >= fixed, "an error of %d bytes",
                   len (payload))
        error, size = struct.unpack_from (">IH", payload)
        self.rule (error != 0, "an error chunk with error 0")
        self.rule (size <= len (payload) - fixed, "a message of %d bytes",
                   size)
        self.rule (is_string (payload[6:6 + size]), "message %r",
                   payload[6:6 + size])
        self.check_error (request, error)
        if kind == CHUNK_ERROR:
            self.rule (not request.plain_error, "CHUNK_ERROR twice")
            request.plain_error = True
            return
        offset, = struct.unpack_from (">Q", payload, 6 + size)
        self.rule (request.kind not in (FLUSH, DISC) and
                   request.kind <= BLOCK_STATUS, "an offset for %r", request)
        self.rule (request.offset <= offset < request.offset + request.length,
                   "an error at %d for %r", offset, request)
        self.rule (offset not in request.error_offsets,
                   "an error at %d twice", offset)
        request.error_offsets.append (offset)


def connect (where, style=SIMPLE, name=b"", contexts=True, **options):
    """A Client that may send requests.  None when the server has no such
    STYLE of replies."""
    c = Client (where, **options)
    if not c.ask_style (style):
        c.close ()
        return None
    if contexts and style != SIMPLE:
        c.set_contexts (name)
    c.go (name)
    return c


def styles (where):
    """The styles of replies that the server has."""
    found = []
    for style in STYLES:
        c = connect (where, style)
        if c:
            c.disconnect ()
            found.append (style)
        else:
            print ("%s: no %s replies" % (SERVER, STYLE_NAMES[style]))
    return found


# ---- tests ----

def run_tests (tests, *args):
    """Run each function; report all that fail, and exit."""
    failed = 0
    for test in tests:
        try:
            test (*args)
        except (Broken, Closed, AssertionError, OSError) as e:
            failed += 1
            where = [f for f in traceback.extract_tb (e.__traceback__)
                     if "nbd_" not in f.filename][-1]
            print ("FAIL %s, line %d: %s: %s" % (
                test.__name__, where.lineno, where.line, e))
    print ("%d of %d tests failed" % (failed, len (tests)))
    sys.exit (1 if failed else 0)


def run_in_styles (tests, all_styles):
    """Run each function with each style of replies."""
    def in_style (test, style):
        def run ():
            test (style)
        run.__name__ = "%s, %s replies" % (test.__name__, STYLE_NAMES[style])
        return run

    run_tests ([in_style (test, style) for style in all_styles
                for test in tests])
