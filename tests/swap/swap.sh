#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdkit --swap locks memory that is used, not memory that could be.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a sanitizer maps too much to lock"
nbdkit --swap -U "$tmp/swap.sock" null --run true 2>/dev/null ||
    skip "nbdkit --swap does not work"

start=$SECONDS
start_nbdkit zram --swap zram 64T reserve=1M
io "$(uri zram)" "read -P 0 0 1M"
[ $((SECONDS - start)) -lt 10 ] || fail "the start took too long"
# VmLck counts whole mappings; Rss is what is in memory.
[ "$(status_kib "$pid" VmLck)" -gt 0 ] || fail "nothing is locked"
rss=$(status_kib "$pid" VmRSS)
start_nbdkit null --swap null 1M
[ "$rss" -lt $(($(status_kib "$pid" VmRSS) + 16384)) ] ||
    fail "$rss KiB are locked in memory"
io "$(uri zram)" "write -P 1 0 1M" "write -P 2 32T 1M" "read -P 1 0 1M" \
    "read -P 2 32T 1M" "discard 32T 1M" "read -P 0 32T 1M"
