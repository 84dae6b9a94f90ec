#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests to zero are hidden, or emulated by writes.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter nozero
requires_filter log

start_nbdkit zram --filter=nozero zram 1M zeromode=none
nbdinfo --can zero "$(uri zram)" && fail "zero is not hidden"
stop_nbdkit "$pid"
start_nbdkit zram --filter=nozero --filter=log zram 1M zeromode=emulate \
    logfile="$tmp/requests"
io "$(uri zram)" "write -P 1 0 64k" "write -z 5000 20000" \
    "read -P 1 0 5000" "read -P 0 5000 20000" "read -P 1 25000 40536"
stop_nbdkit "$pid"
grep -q 'Zero' "$tmp/requests" && fail "a request to zero came through"
:
