#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# With cache=unsafe writes are held back; with a flush they come through.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter cache
new_pool

start_nbdkit zram --filter=cache zram 1M pool="$pool" cache=unsafe
io "$(uri zram)" "write -P 1 0 64k" flush "read -P 1 0 64k"
stop_nbdkit "$pid"
start_nbdkit zram --filter=cache zram 1M pool="$pool" cache=writeback
io "$(uri zram)" "read -P 0 0 1M" "write -P 2 1000 70000" flush \
    "read -P 2 1000 70000"
stop_nbdkit "$pid" KILL
start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "read -P 0 0 1000" "read -P 2 1000 70000" "read -P 0 71000 4k"
