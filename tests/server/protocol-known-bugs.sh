#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What went wrong in other NBD servers: the tables are in
# tests/lib/protocol-known-bugs.py.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3

known_bugs ()
{
    python3 -B "$srcdir/tests/lib/protocol-known-bugs.py" "$@"
}

# Several hundred connections, of three descriptors each with nbdkit.
ulimit -n 4096 2>/dev/null || skip "too few files may be open"

# Some versions of nbdkit end themselves when a client is gone that several
# replies are on their way to: hence -t 1.

start_nbdkit large -t 1 zram 1T
start_nbdkit named -t 1 zram export=alpha:size=4M \
    export=beta:size=4M
start_nbdkit auto -t 1 zram exports=auto export-size=1M \
    max-exports=4
start_nbdkit zram -t 1 zram 64M
known_bugs plain "$pid" "$tmp/zram.sock" "$tmp/large.sock" \
    "$tmp/named.sock" "$tmp/auto.sock" || fail "see above"

# CVE-2024-7409 of qemu, too: a server that was told to end did not, or
# crashed, while clients kept their connections open.  nbdkit waits for them.
if serves_with nbdzramd; then
    mkfifo "$tmp/hold"
    known_bugs hold "$tmp/zram.sock" <"$tmp/hold" >"$tmp/held" &
    servers+=("$!")
    exec 8>"$tmp/hold"
    eventually grep -q held "$tmp/held" || fail "no connections are held"
    kill -TERM "$pid"
    eventually has_ended "$pid" || fail "the server does not end"
    wait "$pid" || fail "the server ended with status $?"
    exec 8>&-
fi

for program in certtool psktool; do
    command -v $program >/dev/null || {
        echo "without TLS: there is no $program"
        exit 0
    }
done
. "$srcdir/tests/lib/credentials.sh"
start_nbdkit tls -t 1 --tls=on --tls-certificates="$tmp/ours" \
    zram 1M
known_bugs tls "$pid" "$tmp/tls.sock" "$tmp/ours" || fail "see above"
