# SPDX-License-Identifier: GPL-2.0-or-later
"""Every option, in legal and in illegal forms: protocol-options.py SOCKET
[NAMED].  NAMED is the socket of a server that has the exports alpha and beta
only."""

import socket
import struct
import sys

from nbd_protocol import *

path, named = sys.argv[1:]

FORMS = (OPT_ABORT, OPT_LIST, OPT_STARTTLS, OPT_INFO, OPT_GO,
         OPT_STRUCTURED_REPLY, OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT,
         OPT_EXTENDED_HEADERS)


def works (c):
    """Server and client still mean the same: the disk can be read."""
    c.go ()
    c.read (0, 512)
    c.disconnect ()


def has_extended ():
    with Client (path) as c:
        return c.ask_style (EXTENDED)


def check (answer, *finals):
    assert answer.final in finals, "%x instead of %s" % (
        answer.final, [hex (f) for f in finals])
    return answer


# ---- client flags ----

def unknown_client_flags ():
    for bit in range (2, 32):
        with Client (path, FIXED_NEWSTYLE | 1 << bit) as c:
            c.ends ()


def client_flags_without_fixed_newstyle ():
    """Only EXPORT_NAME is sure to work."""
    for flags in 0, NO_ZEROES, FIXED_NEWSTYLE, FIXED_NEWSTYLE | NO_ZEROES:
        with Client (path, flags) as c:
            c.export_name ()
            c.read (0, 512)
            c.disconnect ()
    # What another option does then is open, but it is answered or refused.
    with Client (path, 0) as c:
        try:
            c.option (OPT_LIST)
        except Closed:
            pass


# ---- the header ----

def unknown_options ():
    for option in (0, OPT_PEEK_EXPORT, 12, 100, 0x7fffffff, 0x80000000,
                   0xffffffff):
        with Client (path) as c:
            for size in 0, 1, 4, 5000, 70000:
                check (c.option (option, b"x" * size), ERR_UNSUP)
            works (c)


def wrong_magic ():
    for magic in b"NBDMAGIC", bytes (8), b"IHAVEOPT"[::-1], \
            struct.pack (">Q", OPTION_REPLY_MAGIC):
        with Client (path) as c:
            c.send (encode_option (OPT_LIST, magic=magic))
            c.ends ()


def enormous_length ():
    """Nothing may wait for the 4 GiB, or allocate them, for long."""
    for option in range (0, 13):
        for length in 0xffffffff, 0x80000000, 0x7fffffff:
            with Client (path) as c:
                try:
                    c.send (encode_option (option, bytes (65536), length))
                    c.socket.shutdown (socket.SHUT_WR)
                    final = c.answer (option).final
                    assert final & 0x80000000 or option == OPT_ABORT
                    c.ends ()
                except (Closed, OSError):
                    pass


def many_options ():
    """A server may have enough at some time, and close the connection."""
    with Client (path) as c:
        try:
            for i in range (5000):
                check (c.option (77, b"x"), ERR_UNSUP)
        except Closed:
            return
        works (c)


def options_at_once ():
    """A client must not, but each reply is right."""
    with Client (path) as c:
        c.send (encode_option (77, b"x" * 100) + encode_option (OPT_INFO,
                encode_go ()) + encode_option (78) + encode_option (OPT_GO,
                encode_go ()) + encode_request (SIMPLE, READ, 0, 512,
                                                cookie=5))
        try:
            check (c.answer (77), ERR_UNSUP)
            check (c.answer (OPT_INFO), REP_ACK)
            check (c.answer (78), ERR_UNSUP)
            check (c.answer (OPT_GO), REP_ACK)
        except Closed:
            return
        c.finish (c.prepare (READ, 0, 512, cookie=5))


# ---- options without data ----

def data_where_none_belongs ():
    for option in (OPT_LIST, OPT_STARTTLS, OPT_STRUCTURED_REPLY,
                   OPT_EXTENDED_HEADERS):
        with Client (path) as c:
            for size in 1, 4, 5000:
                answer = c.option (option, b"x" * size)
                check (answer, ERR_INVALID, *(
                    (ERR_UNSUP,) if option == OPT_EXTENDED_HEADERS else ()))
            assert c.style == SIMPLE
            works (c)


def abort ():
    for data in b"", b"x", b"x" * 5000:
        with Client (path) as c:
            check (c.option (OPT_ABORT, data), REP_ACK)
            c.ends ()
    with Client (path) as c:
        c.ask_style (STRUCTURED)
        check (c.option (OPT_ABORT), REP_ACK)
        c.ends ()
    # A client need not wait for the reply.
    for i in range (20):
        with Client (path) as c:
            c.send (encode_option (OPT_ABORT))


def list_exports ():
    for where, wanted in (path, None), (named, {b"alpha", b"beta"}):
        with Client (where) as c:
            items = check (c.option (OPT_LIST), REP_ACK).items
            names = [name for name, description in items]
            assert len (names) == len (set (names)), names
            assert not wanted or wanted <= set (names), names
            # nbdkit lists its exports once only.
            check (c.option (OPT_LIST), REP_ACK, *(
                (ERR_INVALID,) if IS_NBDKIT else ()))
            for name, description in items:
                info = dict (check (c.option (OPT_INFO, encode_go (
                    name, (INFO_NAME, INFO_DESCRIPTION))), REP_ACK).items)
                assert info.get (INFO_NAME, name) == name, info
                assert info.get (INFO_DESCRIPTION,
                                 description) == description, info
            c.go (names[0])
            c.disconnect ()


def starttls_without_tls ():
    with Client (path) as c:
        for i in range (3):
            check (c.option (OPT_STARTTLS), ERR_POLICY, ERR_UNSUP,
                   ERR_PLATFORM)
        works (c)


def structured_reply_twice ():
    with Client (path) as c:
        check (c.option (OPT_STRUCTURED_REPLY), REP_ACK)
        check (c.option (OPT_STRUCTURED_REPLY), REP_ACK, ERR_INVALID)
        works (c)


def structured_reply_after_wrong_ones ():
    with Client (path) as c:
        check (c.option (OPT_STRUCTURED_REPLY, b"x"), ERR_INVALID)
        check (c.option (OPT_STRUCTURED_REPLY), REP_ACK)
        works (c)
    with Client (path) as c:
        check (c.option (OPT_STRUCTURED_REPLY), REP_ACK)
        check (c.option (OPT_STRUCTURED_REPLY, b"x"), ERR_INVALID)
        works (c)


def extended_headers ():
    if not has_extended ():
        return
    for first in (), (STRUCTURED,):
        with Client (path) as c:
            for style in first:
                c.ask_style (style)
            check (c.option (OPT_EXTENDED_HEADERS, b"x"), ERR_INVALID)
            check (c.option (OPT_EXTENDED_HEADERS), REP_ACK)
            check (c.option (OPT_STRUCTURED_REPLY), ERR_EXT_HEADER_REQD)
            check (c.option (OPT_EXTENDED_HEADERS), REP_ACK, ERR_INVALID)
            assert len (check (c.set_contexts (), REP_ACK).items) == 1
            c.go ()
            assert not c.succeed (BLOCK_STATUS, 0, 4096).error
            c.disconnect ()
    # A client must not use this one then.
    with Client (path) as c:
        c.ask_style (EXTENDED)
        try:
            c.export_name ()
            c.read (0, 512)
        except Closed:
            pass


# ---- EXPORT_NAME ----

def export_name ():
    for flags in FIXED_NEWSTYLE, FIXED_NEWSTYLE | NO_ZEROES:
        for style in SIMPLE, STRUCTURED:
            with Client (named, flags) as c:
                c.ask_style (style)
                c.option (77)
                if style == STRUCTURED:
                    c.set_contexts (b"alpha")
                c.export_name (b"alpha")
                c.read (0, 512)
                if style == STRUCTURED:
                    c.succeed (BLOCK_STATUS, 0, 4096)
                c.disconnect ()
    for name in (b"gamma", b"alph", b"alphaa", b"alpha\0", b"\0", b"\xff",
                 b"x" * 4096, b"x" * 4097, b"x" * 70000):
        with Client (named) as c:
            c.send (encode_option (OPT_EXPORT_NAME, name))
            c.ends ()


# ---- INFO and GO ----

def unknown_export ():
    for option in OPT_INFO, OPT_GO:
        with Client (named) as c:
            for name in (b"gamma", b"alph", b"alphaa", b"Alpha", b"\xc3\xa9",
                         b"x" * 255, b"x" * 256, b"x" * 257, b"x" * 4096):
                check (c.option (option, encode_go (name)), ERR_UNKNOWN)
            c.go (b"alpha")
            c.read (0, 512)
            c.disconnect ()


def names_that_are_no_strings ():
    for option in OPT_INFO, OPT_GO:
        with Client (named) as c:
            for name in (b"x" * 4097, b"x" * 70000, b"\0", b"alpha\0",
                         b"\0alpha", b"al\0pha", b"\xff", b"alpha\xc3"):
                check (c.option (option, encode_go (name)), ERR_INVALID,
                       ERR_UNKNOWN, ERR_TOO_BIG)
            c.go (b"beta")
            c.disconnect ()


def wrong_lengths_of_go ():
    whole = encode_go (b"alpha", (INFO_NAME, INFO_BLOCK_SIZE))
    for option in OPT_INFO, OPT_GO:
        for wrong in [whole[:n] for n in range (len (whole))] + [
                whole + b"x", whole + bytes (2), whole + bytes (1000),
                encode_go (b"alpha", count=1),
                encode_go (b"alpha", count=65535),
                encode_go (b"alpha", (0, 1, 3), count=0),
                encode_go (b"alpha", (0, 1, 3), count=32771),
                encode_go (b"alpha", name_length=0xffffffff),
                encode_go (b"alpha", name_length=0xfffffffa),
                encode_go (b"alpha", name_length=0x80000000),
                encode_go (b"alpha", name_length=6),
                encode_go (b"alpha", name_length=4),
                encode_go (b"", name_length=1)]:
            with Client (named) as c:
                check (c.option (option, wrong), ERR_INVALID)
                c.go (b"alpha")
                c.disconnect ()


def information ():
    with Client (named) as c:
        everything = (INFO_EXPORT, INFO_NAME, INFO_DESCRIPTION,
                      INFO_BLOCK_SIZE)
        for infos in (), everything, everything[::-1], (4, 5, 65535), \
                (9, INFO_BLOCK_SIZE, 9), tuple (range (100, 3000)):
            for name in b"alpha", b"beta":
                answer = c.option (OPT_INFO, encode_go (name, infos))
                check (answer, REP_ACK)
                found = dict (answer.items)
                assert found.get (INFO_NAME, name) == name
        c.go (b"alpha")
        c.disconnect ()


def info_then_go ():
    for infos in (), (INFO_NAME, INFO_DESCRIPTION, INFO_BLOCK_SIZE):
        for style in SIMPLE, STRUCTURED:
            with Client (named) as c:
                c.ask_style (style)
                first = c.option (OPT_INFO, encode_go (b"beta", infos))
                check (first, REP_ACK)
                assert dict (first.items) == c.go (b"beta", infos)
                c.read (0, 512)
                c.disconnect ()
    # INFO of one export, GO of another.
    with Client (named) as c:
        check (c.option (OPT_INFO, encode_go (b"beta")), REP_ACK)
        c.go (b"alpha")
        alpha = c.size
        c.disconnect ()
    with Client (named) as c:
        c.go (b"beta")
        assert c.size != alpha
        c.disconnect ()


def the_flags_follow_the_style ():
    """SEND_DF is only there with structured replies (by the library)."""
    with Client (path) as c:
        check (c.option (OPT_INFO, encode_go ()), REP_ACK)
        c.ask_style (STRUCTURED)
        c.go ()
        assert c.flags & SEND_DF
        c.disconnect ()


# ---- contexts ----

def status_is_refused (c, name=b""):
    c.go (name)
    c.contexts = {}
    request = c.call (BLOCK_STATUS, 0, 4096)
    assert request.error == EINVAL, request.error
    c.read (0, 512)
    c.disconnect ()


def contexts_without_structured_replies ():
    with Client (path) as c:
        check (c.set_contexts (), ERR_INVALID)
        check (c.option (OPT_LIST_META_CONTEXT, encode_meta ()),
               ERR_INVALID, REP_ACK)
        status_is_refused (c)


def wrong_lengths_of_contexts ():
    queries = b"base:allocation", b"x-foo:bar", b""
    whole = encode_meta (b"alpha", queries)
    for option in OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT:
        with Client (named) as c:
            c.ask_style (STRUCTURED)
            long = struct.pack (">I", 0xffffffff)
            # nbdkit overlooks bytes that are left over.
            more = () if IS_NBDKIT else (
                whole + b"x", encode_meta (b"alpha", queries, 2),
                encode_meta (b"alpha", queries, 0))
            for wrong in [whole[:n] for n in range (len (whole))] + [
                    *more, encode_meta (b"alpha", queries, 4),
                    encode_meta (b"alpha", queries, 0xffffffff),
                    long + whole[4:], whole[:9 + 4] + long + whole[9 + 8:]]:
                try:
                    check (c.option (option, wrong), ERR_INVALID)
                except Closed:
                    # nbdkit has enough after 32 options.
                    assert IS_NBDKIT
                    c.close ()
                    c = Client (named)
                    c.ask_style (STRUCTURED)
                    check (c.option (option, wrong), ERR_INVALID)
            c.go (b"alpha")
            c.read (0, 512)
            c.disconnect ()


def strings_of_contexts ():
    """What is no string selects nothing, at least."""
    with Client (path) as c:
        c.ask_style (STRUCTURED)
        for option in OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT:
            for text in b"x" * 4097, b"base:\0", b"base:allocation\0", \
                    b"base:\xff":
                answer = c.option (option, encode_meta (queries=(text,)))
                check (answer, REP_ACK, ERR_INVALID, ERR_TOO_BIG)
                assert not answer.items, answer
                check (c.option (option, encode_meta (text, ())), REP_ACK,
                       ERR_INVALID, ERR_UNKNOWN, ERR_TOO_BIG)
        works (c)


def select_contexts ():
    none = (b"base:", b"base:Allocation", b"base:allocatio",
            b"base:allocation2", b"base:allocation:", b"x-foo:bar",
            b"qemu:allocation-depth", b"nbd-server:", b"x" * 4000 + b":")
    invalid = b"", b":", b"base", b"allocation", b":allocation"
    for queries, count in [((), 0), (none[:8], 0),
                           ((b"base:allocation",), 1),
                           (none[:4] + (b"base:allocation",) + none[4:], 1),
                           ((b"base:allocation",) * 2, 1)] \
            + [((q,), 0) for q in none + invalid]:
        with Client (path) as c:
            c.ask_style (STRUCTURED)
            answer = c.set_contexts (queries=queries)
            if set (queries) & set (invalid):
                check (answer, REP_ACK, ERR_INVALID)
            else:
                check (answer, REP_ACK)
            assert len (dict (answer.items)) == count, answer
            if count == 0:
                status_is_refused (c)
            else:
                c.go ()
                c.succeed (BLOCK_STATUS, 0, 4096)
                c.disconnect ()


def list_contexts ():
    for queries, wanted in (
            ((), 1), ((b"base:",), 1), ((b"base:allocation",), 1),
            ((b"base:", b"x-foo:"), 1), ((b"base:foo",), 0),
            ((b"x-foo:",), 0), ((b"qemu:",), 0)):
        with Client (path) as c:
            c.ask_style (STRUCTURED)
            answer = c.option (OPT_LIST_META_CONTEXT,
                               encode_meta (queries=queries))
            check (answer, REP_ACK)
            assert [name for number, name in answer.items] == \
                [b"base:allocation"] * wanted, answer
            # To list selects nothing.
            status_is_refused (c)


def many_queries ():
    for option in OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT:
        with Client (path) as c:
            c.ask_style (STRUCTURED)
            answer = c.option (option, encode_meta (
                queries=(b"x-foo:bar",) * 3000))
            check (answer, REP_ACK, ERR_TOO_BIG)
            works (c)


def contexts_of_an_unknown_export ():
    """Some servers say so, others wait for GO."""
    with Client (named) as c:
        c.ask_style (STRUCTURED)
        check (c.set_contexts (b"gamma"), ERR_UNKNOWN, REP_ACK)
        status_is_refused (c, b"alpha")


def contexts_of_another_export ():
    for first, then in (b"alpha", b"beta"), (b"beta", b"alpha"):
        with Client (named) as c:
            c.ask_style (STRUCTURED)
            c.set_contexts (first)
            status_is_refused (c, then)
    with Client (named) as c:
        c.ask_style (STRUCTURED)
        c.set_contexts (b"beta")
        c.set_contexts (b"alpha")
        c.go (b"alpha")
        c.succeed (BLOCK_STATUS, 0, 4096)
        c.disconnect ()


def contexts_are_replaced ():
    """By what is set later, also when that fails."""
    good = encode_meta ()
    for wrong in (encode_meta (queries=()), encode_meta (queries=(b"base:",)),
                  good[:-1], good[:3], b""):
        # nbdkit keeps what was set when no list of queries can be read.
        if IS_NBDKIT and len (wrong) < 8:
            continue
        with Client (path) as c:
            c.ask_style (STRUCTURED)
            check (c.option (OPT_SET_META_CONTEXT, good), REP_ACK)
            c.option (OPT_SET_META_CONTEXT, wrong)
            # nbdkit has it again if it comes before the error.
            status_is_refused (c)
    with Client (path) as c:
        c.ask_style (STRUCTURED)
        c.option (OPT_SET_META_CONTEXT, encode_meta (queries=()))
        c.set_contexts ()
        c.go ()
        c.succeed (BLOCK_STATUS, 0, 4096)
        c.disconnect ()


def before_and_after_each_other ():
    """All options in all orders of two, then GO."""
    data = {OPT_INFO: encode_go (), OPT_GO: None, OPT_ABORT: None,
            OPT_LIST_META_CONTEXT: encode_meta (),
            OPT_SET_META_CONTEXT: encode_meta ()}
    for first in FORMS:
        for second in FORMS:
            if {first, second} & {OPT_GO, OPT_ABORT}:
                continue
            with Client (path) as c:
                for option in first, second:
                    c.option (option, data.get (option, b""))
                c.contexts_of = b""
                if c.style != EXTENDED or has_extended ():
                    works (c)


run_tests ([test for name, test in list (globals ().items ())
            if callable (test) and getattr (test, "__module__", "") ==
            "__main__" and test.__code__.co_argcount == 0
            and name != "has_extended"])
