#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A part of the disk is served as the whole.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter offset
new_pool

start_nbdkit zram --filter=offset zram 1M pool="$pool" offset=66000 range=130000
[ "$(nbdinfo --size "$(uri zram)")" = 130000 ] || fail "wrong size"
io "$(uri zram)" "write -P 1 0 130000" "discard 50000 30000" \
    "read -P 0 50000 30000"
stop_nbdkit "$pid"

start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "read -P 0 0 66000" "read -P 1 66000 50000" \
    "read -P 0 116000 30000" "read -P 1 146000 50000" "read -P 0 196000 4k"
