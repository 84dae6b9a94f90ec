#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TLS within the protocol: what is answered before, what counts after, and
# what ends the connection.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3
. "${srcdir:-.}/tests/lib/credentials.sh"

# Some versions of nbdkit end themselves when a client leaves whose connection
# several threads have: hence -t 1.

for mode in on require; do
    start_nbdkit tls -t 1 --tls=$mode \
        --tls-certificates="$tmp/ours" zram 64M
    python3 -B "$srcdir/tests/lib/protocol-tls.py" "$tmp/tls.sock" $mode \
        "$tmp/ours" || fail "--tls=$mode"
    stop_nbdkit "$pid"
done
