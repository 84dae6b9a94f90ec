#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every request is in the log, with its place and its answer.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter log
start_nbdkit zram --filter=log zram 1M logfile="$tmp/requests"
io "$(uri zram)" "write -P 1 12345 777" "read -P 1 12345 777" \
    "discard 12345 777" "read -P 0 12345 777"
stop_nbdkit "$pid"
for request in Write Read Trim; do
    grep -q "$request.*offset=0x3039 count=0x309" "$tmp/requests" ||
        fail "no $request in the log"
done
grep -q 'return=-1' "$tmp/requests" && fail "a request failed"
:
