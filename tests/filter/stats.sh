#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The filter counts what the clients asked for.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter stats
start_nbdkit zram --filter=stats zram 1M statsfile="$tmp/stats"
io "$(uri zram)" "write -P 1 0 4k" "write -P 2 8k 4k" "read -P 1 0 4k" \
    "discard 8k 4k" "read -P 0 8k 4k"
stop_nbdkit "$pid"
grep -q '^write: 2 ops' "$tmp/stats" && grep -q '^trim: 1 ops' "$tmp/stats" ||
    fail "$(cat "$tmp/stats")"
