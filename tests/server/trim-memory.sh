#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is trimmed goes back to the system, locked in memory or not.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdcopy qemu-io
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "the server's size is a sanitizer's"

head -c 64M /dev/urandom >"$tmp/a"
tr '\0-\377' x <"$tmp/a" >"$tmp/same"

# One thread and one request at a time, so that what the server keeps for
# requests does not depend on chance.
copy ()
{
    nbdcopy --synchronous --connections=1 "$@"
}

is_below () { rss=$(status_kib "$pid" VmRSS) && [ "$rss" -lt "$1" ]; }

# falls_below KIB WHEN
falls_below ()
{
    eventually is_below "$1" || fail "$rss KiB $2, $empty KiB when empty"
}

# trims OPTIONS...: of nbdkit.
trims ()
{
    local empty full

    start_nbdkit zram -t 1 "$@" zram 64M
    copy "$tmp/same" "$(uri zram)"
    io "$(uri zram)" "discard 0 64M"
    empty=$(status_kib "$pid" VmRSS)
    copy "$tmp/a" "$(uri zram)"
    full=$(status_kib "$pid" VmRSS)
    [ "$full" -gt 65536 ] || fail "64 MiB in $full KiB?"
    io "$(uri zram)" "discard 0 32M" "write -z -u 32M 16M"
    falls_below $((empty + 16384 + 4096)) "with a quarter left"
    io "$(uri zram)" "discard 48M 16M" "read -P 0 0 64M"
    falls_below $((empty + 4096)) "after the trim"
    stop_nbdkit "$pid"
}
trims
! nbdkit --swap -U "$tmp/swap.sock" null --run true 2>/dev/null || trims --swap
