#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes go to the overlay; the disk below stays as it was.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter cow
new_pool

start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "write -P 1 0 64k"
stop_nbdkit "$pid"

start_nbdkit zram --filter=cow zram 1M pool="$pool"
io "$(uri zram)" "write -P 2 4k 4k" "write -z 8k 4k" "discard 12k 4k" \
    "read -P 1 0 4k" "read -P 2 4k 4k" "read -P 0 8k 4k"
stop_nbdkit "$pid"

start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "read -P 1 0 64k" "read -P 0 64k 960k"
