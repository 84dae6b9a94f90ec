#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Small requests become whole blocks, and large ones parts.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter blocksize
requires_filter log

start_nbdkit zram --filter=blocksize --filter=log zram 1M \
    minblock=4K maxdata=64K logfile="$tmp/requests"
io "$(uri zram)" "write -P 1 100 50" "write -P 2 256k 256k" \
    "read -P 1 100 50" "read -P 0 0 100" "read -P 0 150 4k" "read -P 2 256k 256k"
stop_nbdkit "$pid"
grep -q 'Write.* offset=0x0 count=0x1000' "$tmp/requests" ||
    fail "the small write did not become a block"
[ "$(grep -c 'Write.* count=0x10000 ' "$tmp/requests")" = 4 ] ||
    fail "the large write was not divided"
