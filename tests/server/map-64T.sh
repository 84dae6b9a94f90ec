#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The map of an empty 64 TiB disk is one hole, told at once, in little
# memory; a page in the middle is found, and gone again after a trim.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdinfo qemu-io

start_nbdkit zram zram 64T
rss=$(status_kib "$pid" VmRSS)
[ "${NBDZRAM_PRELOAD:-}" ] || [ "$rss" -lt 12288 ] ||
    fail "an empty disk takes $rss KiB"
[ "$(nbdinfo --map "$(uri zram)" | awk '{ print $1, $2, $3 }')" = \
    "0 70368744177664 3" ] || fail "not one hole"
[ "$(milliseconds timeout 60 nbdinfo --map --totals "$(uri zram)")" -lt 30000 ]

io "$(uri zram)" "write -P 1 35184372088832 4k" "write -P 2 70368744177663 1"
nbdinfo --map "$(uri zram)" | awk '{ print $1, $2, $3 }' >"$tmp/map"
diff - "$tmp/map" <<END
0 35184372088832 3
35184372088832 4096 0
35184372092928 35184372080640 3
70368744173568 4096 0
END
io "$(uri zram)" "discard 35184372088832 4k" "discard 70368744173568 4k" \
    "read -P 0 35184372088832 4k" "read -P 0 70368744173568 4k"
[ "$(nbdinfo --map "$(uri zram)" | awk '{ print $1, $2, $3 }')" = \
    "0 70368744177664 3" ] || fail "not one hole again"
rss=$(status_kib "$pid" VmRSS)
[ "${NBDZRAM_PRELOAD:-}" ] || [ "$rss" -lt 12288 ] ||
    fail "after it was empty again it takes $rss KiB"
