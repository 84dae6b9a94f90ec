# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS, as the protocol has it: protocol-tls.py SOCKET MODE CERTIFICATES,
where MODE is on or require, and CERTIFICATES a directory."""

import os
import socket
import ssl
import struct
import sys

from nbd_protocol import *

path, mode, certificates = sys.argv[1:]


def context ():
    c = ssl.SSLContext (ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.load_verify_locations (os.path.join (certificates, "ca-cert.pem"))
    return c


def check (answer, *finals):
    assert answer.final in finals, "%x" % answer.final
    return answer


def encrypted (style=SIMPLE):
    """A client in transmission, with TLS.  None when there is no STYLE."""
    c = Client (path)
    c.start_tls (context ())
    if not c.ask_style (style):
        c.close ()
        return None
    if style != SIMPLE:
        c.set_contexts ()
    c.go ()
    return c


def is_served ():
    with encrypted () as c:
        c.read (0, 512)
        c.disconnect ()


def all_styles ():
    for style in STYLES:
        c = encrypted (style)
        if not c:
            continue
        data = os.urandom (3 << 20)
        c.write (4096 * style + 1, data)
        assert c.read (4096 * style + 1, len (data)) == data
        c.write (0, b"z" * (32 << 20))
        assert c.read (0, 32 << 20) == b"z" * (32 << 20)
        if style != SIMPLE:
            c.succeed (BLOCK_STATUS, 0, 1 << 20)
        requests = [c.prepare (READ, i * 512, 512) for i in range (300)]
        c.send (b"".join (r.bytes for r in requests))
        c.finish_all ()
        c.disconnect ()


def the_end_of_tls_is_sent ():
    """After DISC the server ends TLS before it closes the connection."""
    c = encrypted ()
    c.socket.suppress_ragged_eofs = False
    c.send (encode_request (SIMPLE, DISC))
    c.say_all_was_sent ()
    assert c.socket.recv (1) == b""
    c.close ()


def starttls_with_data ():
    with Client (path) as c:
        check (c.option (OPT_STARTTLS, b"x"), ERR_INVALID)
        check (c.option (OPT_STARTTLS, b"x" * 5000), ERR_INVALID)
        c.start_tls (context ())
        c.go ()
        c.disconnect ()


def starttls_twice ():
    with Client (path) as c:
        c.start_tls (context ())
        check (c.option (OPT_STARTTLS), ERR_INVALID)
        c.ask_style (STRUCTURED)
        check (c.option (OPT_STARTTLS), ERR_INVALID)
        c.go ()
        c.read (0, 512)
        c.disconnect ()


def without_fixed_newstyle ():
    """There is no TLS then."""
    with Client (path, 0) as c:
        try:
            assert c.option (OPT_STARTTLS).final != REP_ACK
        except Closed:
            pass


def options_with_tls ():
    with Client (path) as c:
        c.start_tls (context ())
        check (c.option (OPT_LIST), REP_ACK)
        check (c.option (77, b"x" * 5000), ERR_UNSUP)
        check (c.option (OPT_INFO, encode_go ()), REP_ACK)
        check (c.option (OPT_INFO, b""), ERR_INVALID)
        check (c.option (OPT_ABORT), REP_ACK)
        c.ends ()
    with Client (path) as c:
        c.start_tls (context ())
        c.export_name ()
        c.read (0, 512)
        c.disconnect ()


def options_without_tls ():
    """FORCEDTLS: all but STARTTLS and ABORT need TLS."""
    data = {OPT_INFO: encode_go (), OPT_GO: encode_go (),
            OPT_SET_META_CONTEXT: encode_meta (),
            OPT_LIST_META_CONTEXT: encode_meta ()}
    with Client (path) as c:
        for option in (0, OPT_LIST, OPT_INFO, OPT_GO, OPT_STRUCTURED_REPLY,
                       OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT,
                       OPT_EXTENDED_HEADERS, 77, 0xffffffff):
            for payload in data.get (option, b""), b"x" * 100:
                check (c.option (option, payload), ERR_TLS_REQD)
        c.start_tls (context ())
        c.go ()
        c.disconnect ()
    with Client (path) as c:
        check (c.option (OPT_ABORT), REP_ACK)
        c.ends ()
    for flags in range (4):
        with Client (path, flags) as c:
            c.send (encode_option (OPT_EXPORT_NAME))
            c.ends ()


def plain_text_is_served ():
    with Client (path) as c:
        c.ask_style (STRUCTURED)
        c.go ()
        c.read (0, 512)
        c.disconnect ()
    with Client (path) as c:
        c.export_name ()
        c.disconnect ()


def state_is_forgotten ():
    """What was negotiated before TLS is void."""
    for style in STRUCTURED, EXTENDED:
        for ask_again in False, True:
            with Client (path) as c:
                if not c.ask_style (style):
                    continue
                c.set_contexts ()
                c.option (OPT_INFO, encode_go ())
                c.start_tls (context ())
                if ask_again:
                    c.ask_style (STRUCTURED)
                c.go ()
                assert c.call (BLOCK_STATUS, 0, 512).error == EINVAL
                c.read (0, 512)
                c.disconnect ()


def plain_text_after_starttls ():
    """What was sent in the clear together with STARTTLS is never taken for
    something that came by TLS (CVE-2021-3716)."""
    for injected in (encode_option (OPT_STRUCTURED_REPLY),
                     encode_option (OPT_LIST), encode_option (77),
                     encode_option (OPT_ABORT),
                     encode_option (OPT_GO, encode_go ()) + encode_request (
                         SIMPLE, WRITE, 0, 512, data=b"!" * 512)):
        with Client (path) as c:
            c.send (encode_option (OPT_STARTTLS) + injected)
            try:
                check (c.answer (OPT_STARTTLS), REP_ACK)
                c.wrap (context ())
            except (Closed, OSError):
                continue
            assert False, "TLS began"
    with encrypted () as c:
        assert c.read (0, 512) != b"!" * 512
        c.disconnect ()


def no_client_hello ():
    for garbage in (b"x" * 100, bytes (100), b"\x16\x03\x01\xff\xff" + b"x",
                    b"\x16\x03\x01\0\x05hello", encode_option (OPT_LIST),
                    b"\x15\x03\x01\0\2\2\0", b"\x80\x2e\1\3\1", b""):
        with Client (path) as c:
            check (c.option (OPT_STARTTLS), REP_ACK)
            c.send (garbage)
            c.socket.shutdown (socket.SHUT_WR)
            rest = b""
            try:
                while True:
                    rest += c.receive (1)
            except Closed:
                pass
            # An alert at most.
            assert rest[:1] in (b"", b"\x15"), rest
    is_served ()


def handshake_is_cut ():
    incoming, outgoing = ssl.MemoryBIO (), ssl.MemoryBIO ()
    try:
        context ().wrap_bio (incoming, outgoing).do_handshake ()
    except ssl.SSLWantReadError:
        pass
    hello = outgoing.read ()
    for end in range (0, len (hello) + 1, 7):
        with Client (path) as c:
            check (c.option (OPT_STARTTLS), REP_ACK)
            c.send (hello[:end])
    is_served ()


def requests_are_cut ():
    """The connection ends in the middle of a record, without an alert."""
    for end in list (range (1, 60)) + [600]:
        with encrypted () as c:
            raw = socket.socket (fileno=os.dup (c.socket.fileno ()))
            data = encode_request (SIMPLE, WRITE, 0, 512, data=b"w" * 512)
            c.send (data[:end])
            raw.sendall (b"\x17\x03\x03\1\0"[:end % 6])
            raw.close ()
    is_served ()


common = [all_styles, the_end_of_tls_is_sent, starttls_with_data,
          starttls_twice, without_fixed_newstyle, options_with_tls,
          plain_text_after_starttls, no_client_hello, handshake_is_cut,
          requests_are_cut]
run_tests (common + ([options_without_tls] if mode == "require" else
                     [plain_text_is_served, state_is_forgotten]))
