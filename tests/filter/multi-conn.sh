#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The flag for several connections is cleared.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter multi-conn
start_nbdkit zram --filter=multi-conn zram 1M multi-conn-mode=disable
nbdinfo --can multi-conn "$(uri zram)" && fail "the flag is still there"
io "$(uri zram)" "write -P 1 0 64k"
io "$(uri zram)" "read -P 1 0 64k"
stop_nbdkit "$pid"
start_nbdkit zram --filter=multi-conn zram 1M multi-conn-mode=auto
nbdinfo --can multi-conn "$(uri zram)" || fail "the flag is not there"
