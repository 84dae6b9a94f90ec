#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client that reads in order has the rest read ahead.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter readahead
requires_filter log
requires nbdcopy

start_nbdkit zram --filter=readahead --filter=log zram 4M \
    logfile="$tmp/requests"
io "$(uri zram)" "write -P 1 0 3M"
nbdcopy --synchronous --connections=1 --request-size=4096 --no-extents \
    "$(uri zram)" "$tmp/disk"
stop_nbdkit "$pid"
grep -q 'Cache' "$tmp/requests" || fail "nothing was read ahead"
[ "$(tr -d '\001' <"$tmp/disk" | tr -d '\000' | wc -c)" = 0 ] &&
    [ "$(tr -d '\000' <"$tmp/disk" | wc -c)" = 3145728 ] || fail "wrong data"
