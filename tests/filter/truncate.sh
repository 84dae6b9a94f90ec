#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A larger disk ends in a hole that takes no data.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter truncate
start_nbdkit zram --filter=truncate zram 100000 truncate=200000
[ "$(nbdinfo --size "$(uri zram)")" = 200000 ] || fail "wrong size"
io "$(uri zram)" "write -P 1 0 100000" "read -P 1 0 100000" \
    "read -P 0 100000 100000"
io_fails "$(uri zram)" "write -P 1 99999 2" || fail "wrote beyond the end"
stop_nbdkit "$pid"

start_nbdkit zram --filter=truncate zram 100000 round-down=4096
[ "$(nbdinfo --size "$(uri zram)")" = 98304 ] || fail "wrong size"
io "$(uri zram)" "write -P 1 0 98304" "read -P 1 0 98304"
