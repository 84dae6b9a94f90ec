#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every request in each style of replies, legal and illegal.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3

start_nbdkit zram zram 67109377
start_nbdkit large zram 1T
start_nbdkit read-only -r zram 1M
python3 -B "$srcdir/tests/lib/protocol-requests.py" "$tmp/zram.sock" \
    "$tmp/large.sock" "$tmp/read-only.sock" || fail "see above"
