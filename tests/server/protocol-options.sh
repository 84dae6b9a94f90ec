#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every option of the handshake, in legal and in illegal forms.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3

start_nbdkit zram zram 8M
start_nbdkit named zram export=alpha:size=4M export=beta:size=8M
python3 -B "$srcdir/tests/lib/protocol-options.py" \
    "$tmp/zram.sock" "$tmp/named.sock" || fail "see above"
