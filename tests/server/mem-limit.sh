#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pool stays below its limit: what does not fit is refused, what is
# there stays, and what is trimmed makes room.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdcopy qemu-io perl

limit=$((16 * 1024))
trims=()
head -c 32M /dev/urandom >"$tmp/a"
head -c 32M /dev/urandom >"$tmp/b"
head -c 32M /dev/zero >"$tmp/zero"
tr '\0' x <"$tmp/zero" >"$tmp/same"

# takes_less KIB: the server, than KIB more than the idle one.
takes_less ()
{
    rss=$(($(status_kib "$pid" VmRSS) - $(status_kib "$idle" VmRSS)))
    [ $rss -lt "$1" ]
}

for options in page-size=4K "page-size=64K"; do
    # What the server takes besides: for the same requests, with pages
    # that need no memory.
    # shellcheck disable=SC2086
    start_nbdkit idle zram 32M $options
    idle=$pid
    nbdcopy --synchronous --connections=1 --request-size=65536 \
        "$tmp/same" "$(uri idle)"
    nbdcopy --synchronous "$tmp/same" "$(uri idle)"
    nbdcopy "$(uri idle)" null:
    # shellcheck disable=SC2086
    start_nbdkit zram zram 32M mem-limit=${limit}K $options

    fill_up "$(uri zram)" "$tmp/a"
    nbdcopy "$(uri zram)" "$tmp/first"
    pages=$(pages_are "$tmp/first" "$tmp/zero" "$tmp/a")
    [ "$pages" -gt 3000 ] || fail "only $pages pages in $limit KiB"

    # Over what is there: each page as it was or as it was to be.
    nbdcopy --synchronous "$tmp/b" "$(uri zram)" 2>"$tmp/full.log" &&
        fail "everything found room"
    nbdcopy "$(uri zram)" "$tmp/second"
    pages_are "$tmp/second" "$tmp/first" "$tmp/b" >/dev/null

    [ "${NBDZRAM_PRELOAD:-}" ] || eventually takes_less $((limit + 2048)) ||
        fail "$rss KiB with a limit of $limit KiB"

    # What needs little is still written; a trim makes room for the rest.
    io "$(uri zram)" "discard 0 8M" "read -P 0 0 8M" \
        "write -s $tmp/b 64k 4M" "discard 0 32M" "read -P 0 0 32M"
    fill_up "$(uri zram)" "$tmp/b"
    nbdcopy "$(uri zram)" "$tmp/third"
    again=$(pages_are "$tmp/third" "$tmp/zero" "$tmp/b")
    [ $((again + 16)) -ge "$pages" ] ||
        fail "$pages pages found room, after the trim only $again"
    # Of a range that begins and ends within a page, the whole pages make room
    # first; and a trim never fails for want of room, if it has none.
    io "$(uri zram)" "discard 1001 8M" "read -P 0 64k 8128k"
    fill_up "$(uri zram)" "$tmp/b"
    io "$(uri zram)" "write -z 1001 8M" "read -P 0 1001 8M"
    fill_up "$(uri zram)" "$tmp/b"
    for ((at = 1001; at < 1000000; at += 65536)); do
        trims+=("discard $at 2000")
    done
    io "$(uri zram)" "${trims[@]}"
    [ "$(grep -c 'the pool is full' "$tmp/zram.log")" -lt 20 ] ||
        fail "a full pool fills the log, too"
    stop_nbdkit "$pid"
    stop_nbdkit "$idle"
done
