# SPDX-License-Identifier: GPL-2.0-or-later
"""What went wrong in other NBD servers goes right in this one:
protocol-known-bugs.py plain PID SOCKET LARGE NAMED AUTO, or
protocol-known-bugs.py tls PID SOCKET CERTIFICATES, or
protocol-known-bugs.py hold SOCKET.

PID is that of the server of SOCKET.  LARGE has 1 TiB, NAMED the exports alpha
and beta only, AUTO those that clients ask for.  The server of tls may, and
need not, be spoken to with TLS.  hold keeps connections open until its input
ends.

The tables are at the end.  Faults of clients are not in them: CVE-2017-2630
and CVE-2021-20286 were in those of qemu and libnbd, CVE-2024-7383 in libnbd's
use of TLS, CVE-2025-40080 in the kernel's client.  For CVE-2013-6410, an
address that matched in part, see allow.sh."""

import os
import socket
import ssl
import struct
import sys
import time

from nbd_protocol import *

PAGE = 4096


def serves (where=None, name=b""):
    """The server is there, and serves a new client."""
    with connect (where or path, STRUCTURED, name) as c:
        c.read (0, PAGE)
        c.disconnect ()


def descriptors ():
    return len (os.listdir ("/proc/%s/fd" % pid))


def eventually_no_more (count):
    for i in range (1200):
        if descriptors () <= count:
            return
        time.sleep (.05)
    assert False, "%d descriptors, %d before" % (descriptors (), count)


def resident_kib ():
    with open ("/proc/%s/statm" % pid) as f:
        return int (f.read ().split ()[1]) * os.sysconf ("SC_PAGESIZE") // 1024


# ---- names and lengths ----

def is_refused (reply):
    return reply in (ERR_INVALID, ERR_TOO_BIG)


def refuses_lengths (lengths):
    """A name of such a LENGTH, with less data than that."""
    for length in lengths:
        for size in 0, 100, 1100, 5000, 70000:
            for option in OPT_INFO, OPT_GO:
                with Client (path) as c:
                    data = struct.pack (">I", length) + b"n" * size
                    assert is_refused (c.option (option, data).final)
                    c.go ()
                    c.disconnect ()
    for length in lengths:
        with Client (path) as c:
            try:
                c.send (encode_option (OPT_EXPORT_NAME, b"n" * 5000, length))
                c.socket.shutdown (socket.SHUT_WR)
            except (Closed, OSError):
                pass
            c.ends ()
    serves ()


def name_of_4_gib ():
    refuses_lengths ((0xffffffff, 0xfffffffe, 0xfffffff9, 0x80000000))


def name_longer_than_its_option ():
    refuses_lengths ((1 << 20, 100000, 80000))


def name_of_4096_bytes ():
    for size in list (range (240, 260)) + list (range (4080, 4110)) + [70000]:
        for option, data in (
                (OPT_INFO, encode_go (b"n" * size, (0, 1, 2, 3))),
                (OPT_GO, encode_go (b"n" * size)),
                (OPT_LIST_META_CONTEXT, encode_meta (b"n" * size)),
                (OPT_SET_META_CONTEXT, encode_meta (b"n" * size))):
            with Client (named) as c:
                c.ask_style (STRUCTURED)
                # The library checks how long the message of an error is.
                final = c.option (option, data).final
                assert final & 0x80000000 or option >= OPT_LIST_META_CONTEXT
                c.go (b"alpha")
                c.disconnect ()


def options_of_4_gib ():
    """One client after the other, and none of them keeps the others out."""
    before = resident_kib ()
    clients = []
    for option in list (range (13)) * 4:
        c = Client (path)
        clients.append (c)
        c.socket.settimeout (1)
        try:
            c.socket.sendall (encode_option (option, bytes (100000),
                                             0xffffffff))
        except OSError:
            pass
    serves ()
    assert resident_kib () < before + (256 << 10), resident_kib ()
    for c in clients:
        c.close ()


def rest_of_a_refused_go ():
    with Client (named) as c:
        for count in 0, 1, 4, 100, 10000:
            infos = [i % 4 for i in range (count)]
            final = c.option (OPT_GO, encode_go (b"gamma", infos)).final
            assert final == ERR_UNKNOWN, final
        c.go (b"alpha")
        c.disconnect ()


def rest_of_a_context_option ():
    """Bytes after the last query."""
    for option in OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT:
        for rest in b"x", b"x" * 4, b"x" * 5000, b"x" * 70000:
            with Client (path) as c:
                c.ask_style (STRUCTURED)
                final = c.option (option, encode_meta () + rest).final
                assert is_refused (final) or IS_NBDKIT, final
                assert c.option (77).final == ERR_UNSUP
                c.go ()
                c.disconnect ()


def zeroes_of_export_name ():
    for flags in FIXED_NEWSTYLE, FIXED_NEWSTYLE | NO_ZEROES, 0:
        with Client (path, flags) as c:
            c.export_name ()
            c.write (0, b"z" * PAGE)
            assert c.read (0, PAGE) == b"z" * PAGE
            c.disconnect ()


# ---- clients that leave, or never begin ----

def leaves_at_once ():
    for i in range (200):
        with Client (path, None) as c:
            if i % 2:
                c.send (struct.pack (">I", 3)[:i % 5])
    serves ()


def unknown_export_at_the_end ():
    for i in range (50):
        with Client (named) as c:
            c.send (encode_option (OPT_EXPORT_NAME, b"gamma"))
            c.ends ()
    serves (named, b"alpha")


def speaks_another_protocol ():
    for words in (b"GET / HTTP/1.0\r\n\r\n", b"\r\n\r\n", b"\0" * 1000,
                  b"\xff" * 1000, b"SSH-2.0-x\r\n", b"\x16\x03\x01\2\0\1\0\1"
                  b"\xfc\3\3", b"NBDMAGIC" * 20, b"IHAVEOPT" * 20):
        for flags in b"", b"\0\0\0\3":
            with Client (path, None) as c:
                try:
                    c.send (flags + words)
                    c.socket.shutdown (socket.SHUT_WR)
                    while c.socket.recv (65536):
                        pass
                except (Closed, OSError):
                    pass
    serves ()


def leaves_without_the_reply ():
    messages = [encode_option (o) for o in (OPT_ABORT, OPT_LIST, 77)] + [
        encode_option (OPT_INFO, encode_go (infos=(0, 1, 2, 3)))] * 2
    for i in range (200):
        with Client (path) as c:
            c.send (messages[i % len (messages)])
    serves ()


def leaves_with_requests_in_flight ():
    """... when the first error comes, with many other replies under way."""
    for i in range (40):
        with connect (path, i % 2) as c:
            c.send (c.prepare (READ, c.size, 1).bytes + b"".join (
                c.prepare (READ, n << 18, 1 << 18).bytes for n in range (30)))
            c.read_reply ()
    serves ()


def does_not_negotiate ():
    """More than a hundred connections that say nothing."""
    before = descriptors ()
    clients = [Client (path, None if i % 2 else 3) for i in range (300)]
    for i in range (20):
        serves ()
    for c in clients:
        c.close ()
    eventually_no_more (before)


def comes_and_goes ():
    serves ()
    time.sleep (.2)
    before, memory = descriptors (), resident_kib ()
    for i in range (500):
        with connect (path, i % 2) as c:
            c.read (0, 1)
            if i % 3:
                c.disconnect ()
    eventually_no_more (before)
    assert resident_kib () < memory + (64 << 10), "%d KiB, %d before" % (
        resident_kib (), memory)


def opens_nothing_before_go ():
    """The 4 exports that may be are not used up by those who only look."""
    held = []
    for i in range (10):
        c = Client (auto)
        c.ask_style (STRUCTURED)
        c.option (77, b"name %d" % i)
        held.append (c)
    for i in range (4):
        with connect (auto, name=b"export %d" % i) as c:
            c.write (0, b"x" * PAGE)
            c.disconnect ()
    for c in held:
        c.close ()


# ---- orders of options ----

def options_in_any_order ():
    info = encode_go ()
    for order in ((OPT_INFO, OPT_INFO), (OPT_INFO, OPT_LIST),
                  (OPT_INFO, OPT_SET_META_CONTEXT, OPT_INFO),
                  (OPT_INFO, OPT_STRUCTURED_REPLY, OPT_INFO),
                  (OPT_SET_META_CONTEXT, OPT_INFO, OPT_LIST_META_CONTEXT),
                  (OPT_INFO, OPT_ABORT), (OPT_GO + 70, OPT_INFO, OPT_ABORT)):
        with Client (path) as c:
            for option in order:
                c.option (option, info if option == OPT_INFO else
                          encode_meta () if option in (
                              OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT)
                          else b"")
            if OPT_ABORT in order:
                c.ends ()
                continue
            c.contexts_of = b""
            c.go ()
            c.read (0, PAGE)
            c.disconnect ()
    serves ()


# ---- replies ----

def status_of_4_gib ():
    for style in styles (large):
        if style == SIMPLE:
            continue
        with connect (large, style) as c:
            c.write (1 << 30, b"x" * PAGE)
            for offset in 0, 1, 511, PAGE, (1 << 30) + PAGE, 1 << 39:
                for length in (0xffffffff, 0xfffffffe, 0xfffff001, 0xfffff000,
                               0xfffffe00, 0x80000000):
                    for flags in 0, REQ_ONE:
                        c.succeed (BLOCK_STATUS, offset, length, flags)
            c.disconnect ()


def errors_in_structured_replies ():
    """The library checks the message of an error, and its length."""
    with connect (path, STRUCTURED) as c:
        for kind in READ, WRITE, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS, 77:
            for i in range (3):
                r = c.call (kind, c.size, 1, data=b"x" * (kind == WRITE))
                assert r.error
                assert c.call (FLUSH).error == 0
        c.disconnect ()


def long_sequential_reads ():
    """Of pages that are stored in different ways, one by one and together."""
    pages = [os.urandom (PAGE), bytes (PAGE), b"same" * 1024,
             b"text " * 819 + b"."]
    for style in styles (path):
        with connect (path, style) as c:
            data = b"".join (pages[i * i % 7 % 4] for i in range (100))
            c.write (0, data)
            c.succeed (TRIM, 50 * PAGE, 2 * PAGE)
            single = b"".join (c.read (i * PAGE, PAGE) for i in range (100))
            assert single[:50 * PAGE] == data[:50 * PAGE]
            assert single[52 * PAGE:] == data[52 * PAGE:]
            for start, size in (0, 100 * PAGE), (1, 99 * PAGE), (5, 70000):
                assert c.read (start, size) == single[start:start + size]
            c.disconnect ()


# ---- TLS ----

def context ():
    c = ssl.SSLContext (ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations (os.path.join (certificates, "ca-cert.pem"))
    return c


def structured_reply_before_tls ():
    for style in STRUCTURED, EXTENDED:
        with Client (path) as c:
            if not c.ask_style (style):
                continue
            c.start_tls (context ())
            c.go ()
            # By a simple reply, and no other.
            c.read (0, PAGE)
            assert not c.flags & SEND_DF
            c.disconnect ()


def contexts_before_tls ():
    with Client (path) as c:
        c.ask_style (STRUCTURED)
        c.set_contexts ()
        c.start_tls (context ())
        c.ask_style (STRUCTURED)
        c.go ()
        assert c.call (BLOCK_STATUS, 0, PAGE).error == EINVAL
        c.disconnect ()


def ends_tls_and_stays_silent ():
    """The end of TLS is the end of the connection: nothing spins."""
    before = descriptors ()
    for i in range (20):
        with Client (path) as c:
            c.start_tls (context ())
            if i % 2:
                c.go ()
            try:
                c.socket.unwrap ()
            except OSError:
                pass
    eventually_no_more (before)


def many_tls_handshakes ():
    """All of them begin before the first one ends."""
    clients = [Client (path) for i in range (40)]
    for c in clients:
        assert c.option (OPT_STARTTLS).final == REP_ACK
    for c in clients[1:]:
        c.wrap (context ())
    for c in clients[1:]:
        c.go ()
        c.read (0, PAGE)
        c.disconnect ()
    clients[0].close ()


# ---- holding connections ----

def hold (where):
    """Connections at each stage, which stay until the input ends."""
    clients = []
    for i in range (10):
        clients.append (Client (where, None))
        clients.append (Client (where))
        clients.append (Client (where))
        clients[-1].send (encode_option (OPT_INFO, b"x" * 9, 100))
        clients.append (connect (where, STRUCTURED))
        clients.append (connect (where))
        clients[-1].send (encode_request (SIMPLE, WRITE, 0, PAGE, data=b"x"))
    print ("held", flush=True)
    sys.stdin.readline ()


# ---- the tables ----

# Who had it; what happened there; what must happen here.
PLAIN = (
    ("nbd-server, CVE-2022-26495", "a name of 2^32-1 bytes was written to no "
     "memory", "an error, or the end of the connection", name_of_4_gib),
    ("nbd-server, CVE-2022-26496", "a name longer than the buffer overwrote "
     "the stack", "an error; the next option is understood",
     name_longer_than_its_option),
    ("nbd-server, CVE-2013-7441", "the server ended when a client closed the "
     "connection while negotiating", "it serves others", leaves_at_once),
    ("nbd-server, CVE-2013-7441", "... or asked for an export that is not "
     "there", "only that connection ends", unknown_export_at_the_end),
    ("nbd-server, commit 9ca2974 (2024)", "the rest of a refused GO was read "
     "as the next option", "the next option is understood",
     rest_of_a_refused_go),
    ("nbd-server, commit 157f1c6 (2024)", "an error with a message used "
     "memory out of bounds", "each error is well formed",
     errors_in_structured_replies),
    ("nbd-server, commit f123be9 (2025)", "reads of several blocks returned "
     "other bytes", "the same bytes as block by block",
     long_sequential_reads),
    ("qemu, CVE-2017-15118", "a name of more than 256 bytes overwrote the "
     "stack", "an error; the next option is understood", name_of_4096_bytes),
    ("qemu, CVE-2020-10761", "an error that quotes a long name exceeded 4096 "
     "bytes: an assertion", "a message that fits", name_of_4096_bytes),
    ("qemu, CVE-2017-15119", "options of 4 GiB kept other clients waiting",
     "others are served, and no memory is taken", options_of_4_gib),
    ("qemu, issue 4843 (2026)", "an option with contexts that is longer than "
     "its queries: an assertion at the next option", "an error, and the next "
     "option is understood", rest_of_a_context_option),
    ("qemu, CVE-2017-7539", "unexpected data while negotiating: an assertion",
     "that connection ends", speaks_another_protocol),
    ("qemu, CVE-2017-9524", "a client that does not speak NBD: a crash",
     "it serves others", speaks_another_protocol),
    ("qemu, CVE-2017-10664", "a client that left without the reply: SIGPIPE",
     "it serves others", leaves_without_the_reply),
    ("qemu, CVE-2024-7409", "connections that do not negotiate used up what "
     "others need", "others are served, and nothing is left",
     does_not_negotiate),
    ("qemu, commit 5f66d06 (2017)", "the reply to EXPORT_NAME was two bytes "
     "too long without NO_ZEROES", "134 or 10 bytes", zeroes_of_export_name),
    ("xapi nbd, issue 42", "each client that came and went cost memory",
     "nothing is left", comes_and_goes),
    ("nbdkit, CVE-2019-14850", "the back end was opened before a client had "
     "chosen an export", "nothing is opened before", opens_nothing_before_go),
    ("nbdkit, CVE-2019-14851", "options in another order: an assertion",
     "each is answered", options_in_any_order),
    ("nbdkit, CVE-2025-47711", "the status of 2^32-1 bytes that are one "
     "larger extent: an assertion", "extents that fit", status_of_4_gib),
    ("nbdkit, CVE-2025-47712", "the status of nearly 2^32 bytes overflowed",
     "extents that fit", status_of_4_gib),
    # The tests use nbdkit with one thread, where that can't happen.
    ("nbdkit, commit 9d82aa4 (2023)", "a client that left with replies under "
     "way: an assertion", "it serves others", leaves_with_requests_in_flight),
)
TLS = (
    ("nbdkit, CVE-2021-3716", "what was negotiated in the clear counted with "
     "TLS", "replies are simple", structured_reply_before_tls),
    ("nbdkit, commit 6c5faac (2021)", "... and so did contexts",
     "BLOCK_STATUS is refused", contexts_before_tls),
    ("nbd-server, commit 7a64238 (2024)", "the end of TLS led to an endless "
     "loop", "the connection ends", ends_tls_and_stays_silent),
    ("qemu, RHEL-33754 (2024)", "several TLS handshakes at once: a hang",
     "all of them succeed", many_tls_handshakes),
)


def run_table (table):
    def of_row (who, happened, must, function):
        def run ():
            function ()
        run.__name__ = "%s: %s.  Here: %s" % (who, happened, must)
        return run

    run_tests ([of_row (*row) for row in table])


what = sys.argv[1]
if what == "hold":
    hold (sys.argv[2])
elif what == "tls":
    pid, path, certificates = sys.argv[2:]
    run_table (TLS)
else:
    pid, path, large, named, auto = sys.argv[2:]
    run_table (PLAIN)
