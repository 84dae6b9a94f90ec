# SPDX-License-Identifier: GPL-2.0-or-later
"""The handshake of an NBD client, and what all its messages are made of.
nbd_protocol.py has the rest, and says how this is used."""

import collections
import os
import socket
import struct

# The server that is tested: some exceptions are nbdkit's.
SERVER = os.path.basename (os.environ.get ("NBDZRAM_SERVER") or "nbdkit")
IS_NBDKIT = SERVER == "nbdkit"

# For hangs only.
TIMEOUT = 120

FIXED_NEWSTYLE, NO_ZEROES = 1, 2

(OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_PEEK_EXPORT, OPT_STARTTLS, OPT_INFO,
 OPT_GO, OPT_STRUCTURED_REPLY, OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT,
 OPT_EXTENDED_HEADERS) = range (1, 12)

REP_ACK, REP_SERVER, REP_INFO, REP_META_CONTEXT = range (1, 5)
(ERR_UNSUP, ERR_POLICY, ERR_INVALID, ERR_PLATFORM, ERR_TLS_REQD, ERR_UNKNOWN,
 ERR_SHUTDOWN, ERR_BLOCK_SIZE_REQD, ERR_TOO_BIG,
 ERR_EXT_HEADER_REQD) = range (0x80000001, 0x8000000b)

INFO_EXPORT, INFO_NAME, INFO_DESCRIPTION, INFO_BLOCK_SIZE = range (4)

(HAS_FLAGS, READ_ONLY, SEND_FLUSH, SEND_FUA, ROTATIONAL, SEND_TRIM,
 SEND_WRITE_ZEROES, SEND_DF, CAN_MULTI_CONN, SEND_RESIZE, SEND_CACHE,
 SEND_FAST_ZERO, BLOCK_STATUS_PAYLOAD) = (1 << i for i in range (13))

READ, WRITE, DISC, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range (8)
FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO, PAYLOAD_LEN = (1 << i for i in range (6))

EPERM, EIO, ENOMEM, EINVAL, ENOSPC = 1, 5, 12, 22, 28
EOVERFLOW, ENOTSUP, ESHUTDOWN = 75, 95, 108
ERRORS = (EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN)

DONE = 1
(CHUNK_NONE, CHUNK_DATA, CHUNK_HOLE, CHUNK_STATUS,
 CHUNK_STATUS_EXT) = 0, 1, 2, 5, 6
CHUNK_ERROR, CHUNK_ERROR_OFFSET = 0x8001, 0x8002

SIMPLE, STRUCTURED, EXTENDED = STYLES = range (3)
STYLE_NAMES = "simple", "structured", "extended"

NBDMAGIC, IHAVEOPT = b"NBDMAGIC", b"IHAVEOPT"
OPTION_REPLY_MAGIC = 0x3e889045565a9
REQUEST_MAGIC, EXTENDED_REQUEST_MAGIC = 0x25609513, 0x21e41c71
SIMPLE_MAGIC, STRUCTURED_MAGIC, EXTENDED_MAGIC = \
    0x67446698, 0x668e33ef, 0x6e8a278c

MAX_STRING = 4096
DEFAULT_MAX_PAYLOAD = 1 << 25


class Broken (Exception):
    """The server broke a rule."""


class Closed (Exception):
    """The server closed the connection, after GOT bytes of a message."""

    def __init__ (self, got, wanted):
        super ().__init__ ("the server closed the connection after %d of %d "
                           "bytes of a message" % (got, wanted))
        self.got, self.wanted = got, wanted


# ---- messages of a client ----

def encode_option (option, data=b"", length=None, magic=IHAVEOPT):
    return magic + struct.pack (
        ">II", option, len (data) if length is None else length) + data


def encode_go (name=b"", infos=(), count=None, name_length=None):
    return struct.pack (
        ">I", len (name) if name_length is None else name_length) + name \
        + struct.pack (">H", len (infos) if count is None else count) \
        + b"".join (struct.pack (">H", i) for i in infos)


def encode_meta (name=b"", queries=(b"base:allocation",), count=None):
    return struct.pack (">I", len (name)) + name + struct.pack (
        ">I", len (queries) if count is None else count) + b"".join (
        struct.pack (">I", len (q)) + q for q in queries)


def encode_request (style, kind, offset=0, length=0, flags=0, cookie=0,
                    data=b"", magic=None):
    if style == EXTENDED:
        return struct.pack (">IHHQQQ", magic or EXTENDED_REQUEST_MAGIC, flags,
                            kind, cookie, offset, length) + data
    return struct.pack (">IHHQQI", magic or REQUEST_MAGIC, flags, kind,
                        cookie, offset, length) + data


# ---- what a client knows ----

# The replies to an option: its last one, and the contents of the others.
Answer = collections.namedtuple ("Answer", "final items")


def is_power_of_2 (n):
    return n > 0 and n & n - 1 == 0


def is_string (data):
    try:
        data.decode ()
    except UnicodeDecodeError:
        return False
    return len (data) <= MAX_STRING and b"\0" not in data


# ---- a connection ----

class Connection:
    """A socket, and a record of what was sent and received."""

    def __init__ (self, where, small_buffer=False):
        """Connect to the Unix socket WHERE, or to (HOST, PORT); or WHERE is
        a socket that is connected."""
        self.notes = collections.deque (maxlen=12)
        self.where = where
        if isinstance (where, socket.socket):
            self.socket = where
        elif isinstance (where, tuple):
            self.socket = socket.create_connection (where, TIMEOUT)
            self.socket.setsockopt (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            # Without a timeout the kernel lets a client wait for its turn.
            self.socket = socket.socket (socket.AF_UNIX)
            if small_buffer:
                self.socket.setsockopt (socket.SOL_SOCKET, socket.SO_RCVBUF,
                                        4096)
            self.socket.connect (where)
            self.socket.settimeout (TIMEOUT)

    def __enter__ (self):
        return self

    def __exit__ (self, *ignored):
        self.close ()

    def close (self):
        self.socket.close ()

    def note (self, text, *args):
        self.notes.append (text % args)

    def rule (self, holds, text, *args):
        """Unless this HOLDS, the server broke the rule TEXT."""
        if not holds:
            raise Broken ("%s\n  before: %s" % (
                text % args, "\n          ".join (self.notes)))

    def send (self, data):
        if len (data) <= 64:
            self.note ("sent %s", data.hex ())
        else:
            self.note ("sent %d bytes: %s...", len (data), data[:48].hex ())
        try:
            self.socket.sendall (data)
        except TimeoutError:
            self.rule (False, "the server takes no bytes")
        except OSError:
            raise Closed (0, 0)

    def receive (self, size):
        data = bytearray (size)
        view, got = memoryview (data), 0
        while got < size:
            try:
                n = self.socket.recv_into (view[got:])
            except TimeoutError:
                self.rule (False, "no answer: %d of %d bytes", got, size)
            except OSError:
                n = 0
            if n == 0:
                raise Closed (got, size)
            got += n
        return bytes (data)

    def say_all_was_sent (self):
        """The threads of nbdkit 1.42 may wait for the client to close its
        side, also after DISC.  Others must not."""
        if IS_NBDKIT:
            try:
                # That of TLS would end what is received, too.
                socket.socket.shutdown (self.socket, socket.SHUT_WR)
            except OSError:
                pass

    def ends (self):
        """The server must close the connection, and send nothing before."""
        self.say_all_was_sent ()
        try:
            more = self.receive (1)
        except Closed:
            return
        self.rule (False, "there is %s where the server should have closed "
                   "the connection", more.hex ())


# What may come before the last reply to an option.
INTERMEDIATE = {OPT_LIST: REP_SERVER, OPT_INFO: REP_INFO, OPT_GO: REP_INFO,
                OPT_LIST_META_CONTEXT: REP_META_CONTEXT,
                OPT_SET_META_CONTEXT: REP_META_CONTEXT}


class Handshake (Connection):
    """The first phase of the protocol."""

    def __init__ (self, where, flags=FIXED_NEWSTYLE | NO_ZEROES, **options):
        """FLAGS may be None: then the caller sends what comes first."""
        super ().__init__ (where, **options)
        self.style = SIMPLE
        self.uses_tls = False
        # May information come twice?  Only when it is asked for twice.
        self.may_repeat = False
        self.contexts, self.contexts_of = {}, None
        self.size = self.flags = None
        # What is larger may be refused; and what no chunk may be larger than.
        self.max_payload, self.max_chunk = DEFAULT_MAX_PAYLOAD, 0xffffffff
        self.min_block = 1
        greeting = self.receive (18)
        self.rule (greeting[:8] == NBDMAGIC, "the first magic is %s",
                   greeting[:8])
        self.rule (greeting[8:16] == IHAVEOPT, "the second magic is %s",
                   greeting[8:16])
        self.rule (greeting[16:] in (b"\0\1", b"\0\3"),
                   "the handshake flags are %s", greeting[16:].hex ())
        self.client_flags = flags
        if flags is not None:
            self.send (struct.pack (">I", flags))

    # ---- options ----

    def option (self, option, data=b"", **header):
        """Send an option, and return its Answer."""
        self.send (encode_option (option, data, **header))
        return self.answer (option)

    def answer (self, option):
        """Read the replies to an option, up to the last one."""
        items = []
        while True:
            magic, of, kind, size = struct.unpack (">QIII", self.receive (20))
            self.note ("got reply %x to option %d, %d bytes", kind, of, size)
            self.rule (magic == OPTION_REPLY_MAGIC, "magic of a reply: %x",
                       magic)
            self.rule (of == option, "a reply to option %d", of)
            self.rule (size <= 2 * MAX_STRING + 4, "%d bytes of a reply", size)
            data = self.receive (size)
            if kind & 0x80000000:
                self.check_error_reply (option, kind, data, items)
                break
            if kind == REP_ACK:
                self.rule (size == 0, "ACK has data")
                self.rule (option not in (OPT_INFO, OPT_GO)
                           or INFO_EXPORT in dict (items),
                           "ACK without NBD_INFO_EXPORT")
                break
            self.rule (kind == INTERMEDIATE.get (option),
                       "reply %x to option %d", kind, option)
            items.append ({REP_SERVER: self.parse_server,
                           REP_INFO: self.parse_info,
                           REP_META_CONTEXT: self.parse_context
                           }[kind] (option, data))
            if option in (OPT_INFO, OPT_GO, OPT_SET_META_CONTEXT):
                keys = [key for key, value in items]
                self.rule (len (set (keys)) == len (keys) or
                           self.may_repeat or
                           # nbdkit answers each query, also one twice.
                           IS_NBDKIT and option == OPT_SET_META_CONTEXT,
                           "the item %r twice", items[-1])
        if kind == REP_ACK or option == OPT_SET_META_CONTEXT:
            self.learn (option, kind, data, items)
        return Answer (kind, items)

    def check_error_reply (self, option, kind, data, items):
        self.rule (ERR_UNSUP <= kind <= ERR_EXT_HEADER_REQD,
                   "unknown error %x", kind)
        self.rule (is_string (data), "a message that is no string: %r", data)
        self.rule (kind != ERR_TLS_REQD or not self.uses_tls,
                   "ERR_TLS_REQD with TLS")
        # No context of "base:" needs extended headers.
        self.rule (kind != ERR_EXT_HEADER_REQD or self.style == EXTENDED and
                   option == OPT_STRUCTURED_REPLY, "ERR_EXT_HEADER_REQD")
        self.rule (kind != ERR_BLOCK_SIZE_REQD or
                   option in (OPT_INFO, OPT_GO), "ERR_BLOCK_SIZE_REQD")
        self.rule (kind not in (ERR_UNKNOWN, ERR_TLS_REQD) or not items,
                   "error %x after information", kind)
        self.rule (kind != ERR_UNSUP or option not in
                   (OPT_INFO, OPT_GO, OPT_ABORT, OPT_LIST),
                   "ERR_UNSUP for option %d, which is in the baseline", option)
        self.rule (option != OPT_ABORT or kind == ERR_TLS_REQD,
                   "error %x for ABORT", kind)

    def parse_server (self, option, data):
        self.rule (len (data) >= 4, "REP_SERVER of %d bytes", len (data))
        size, = struct.unpack_from (">I", data)
        self.rule (size <= len (data) - 4, "a name of %d bytes", size)
        name, description = data[4:4 + size], data[4 + size:]
        self.rule (is_string (name), "name %r", name)
        self.rule (is_string (description), "description %r", description)
        return name, description

    def parse_info (self, option, data):
        self.rule (len (data) >= 2, "REP_INFO of %d bytes", len (data))
        kind, = struct.unpack_from (">H", data)
        data = data[2:]
        self.rule (kind <= INFO_BLOCK_SIZE, "information %d", kind)
        if kind in (INFO_NAME, INFO_DESCRIPTION):
            self.rule (is_string (data), "information %d: %r", kind, data)
            return kind, data
        if kind == INFO_EXPORT:
            self.rule (len (data) == 10, "%d bytes of INFO_EXPORT", len (data))
            size, flags = struct.unpack (">QH", data)
            self.check_flags (flags)
            return kind, (size, flags)
        self.rule (len (data) == 12, "%d bytes of INFO_BLOCK_SIZE", len (data))
        least, preferred, most = struct.unpack (">III", data)
        self.rule (is_power_of_2 (least) and least <= 65536,
                   "minimum block size %d", least)
        self.rule (is_power_of_2 (preferred) and
                   preferred >= max (least, 512), "preferred size %d",
                   preferred)
        self.rule (most >= preferred, "maximum payload %d", most)
        return kind, (least, preferred, most)

    def parse_context (self, option, data):
        self.rule (len (data) >= 4, "REP_META_CONTEXT of %d bytes", len (data))
        number, = struct.unpack_from (">I", data)
        self.rule (is_string (data[4:]) and data[4:].find (b":") > 0,
                   "a context called %r", data[4:])
        return number, data[4:]

    def check_flags (self, flags):
        self.rule (flags & HAS_FLAGS, "flags %x without HAS_FLAGS", flags)
        self.rule (not flags & SEND_DF or self.style != SIMPLE,
                   "SEND_DF without structured replies")
        self.rule (not flags & SEND_FAST_ZERO or flags & SEND_WRITE_ZEROES,
                   "SEND_FAST_ZERO without SEND_WRITE_ZEROES")
        self.rule (not flags & BLOCK_STATUS_PAYLOAD or self.style == EXTENDED,
                   "BLOCK_STATUS_PAYLOAD without extended headers")
        self.rule (not flags & SEND_RESIZE and flags < 1 << 13, "flags %x",
                   flags)

    def learn (self, option, kind, sent, items):
        """What an option has changed."""
        if option == OPT_STRUCTURED_REPLY:
            self.style = max (self.style, STRUCTURED)
        elif option == OPT_EXTENDED_HEADERS:
            self.style = EXTENDED
        elif option == OPT_SET_META_CONTEXT:
            self.contexts = dict (items) if kind == REP_ACK else {}
        elif option == OPT_GO:
            self.enter (dict (items))

    def enter (self, infos):
        self.size, self.flags = infos[INFO_EXPORT]
        if INFO_BLOCK_SIZE in infos:
            self.min_block, preferred, self.max_payload = \
                infos[INFO_BLOCK_SIZE]
            self.max_chunk = self.max_payload

    # ---- the usual options ----

    def ask_style (self, style):
        """Negotiate a style of replies.  False when the server has it not."""
        if style == SIMPLE:
            return True
        option = (OPT_STRUCTURED_REPLY if style == STRUCTURED
                  else OPT_EXTENDED_HEADERS)
        final = self.option (option).final
        self.rule (final in (REP_ACK, ERR_UNSUP), "option %d is refused: %x",
                   option, final)
        return final == REP_ACK

    def set_contexts (self, name=b"", queries=(b"base:allocation",)):
        answer = self.option (OPT_SET_META_CONTEXT,
                              encode_meta (name, queries))
        self.contexts_of = name
        return answer

    def go (self, name=b"", infos=(INFO_BLOCK_SIZE,)):
        answer = self.option (OPT_GO, encode_go (name, infos))
        self.rule (answer.final == REP_ACK, "GO is refused: %x", answer.final)
        if name != self.contexts_of:
            self.contexts = {}
        return dict (answer.items)

    def export_name (self, name=b""):
        self.send (encode_option (OPT_EXPORT_NAME, name))
        self.size, self.flags = struct.unpack (">QH", self.receive (10))
        self.check_flags (self.flags)
        if not self.client_flags & NO_ZEROES:
            zeroes = self.receive (124)
            self.rule (not any (zeroes), "padding %s", zeroes.hex ())
        if name != self.contexts_of:
            self.contexts = {}

    def start_tls (self, context):
        """Begin TLS, of which CONTEXT is Python's."""
        final = self.option (OPT_STARTTLS).final
        self.rule (final == REP_ACK, "STARTTLS is refused: %x", final)
        self.wrap (context)

    def wrap (self, context):
        self.socket = context.wrap_socket (self.socket)
        self.uses_tls = True
        self.style, self.contexts = SIMPLE, {}
        self.contexts_of = None
