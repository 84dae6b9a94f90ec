#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After SIGKILL, again and again, a pool holds all that was acknowledged.
. "${srcdir:-.}/tests/lib/functions.sh"

[ -x "$bin/nbd-kill" ] || skip "built without libnbd"

# kill_at_work ROUNDS PAGE_SIZE PARAMETERS...
kill_at_work ()
{
    local rounds=${quick:+5} page_size=$2 pages=1536
    rounds=${rounds:-$1}
    shift 2

    [ "$page_size" = 4096 ] || pages=384
    new_pool
    echo "kill: page-size=$page_size $* (SEED=$seed)"
    nbdkit_command -f -U "$tmp/sock" zram "$((pages * page_size))" "page-size=$page_size" \
        "pool=$pool" "$@"
    "$bin/nbd-kill" -s "$seed" -n "$rounds" -p "$page_size" \
        "$tmp/sock" "$pool" "${command[@]}" ||
        fail "SEED=$seed"
    rm -f "$pool"
}

kill_at_work 100 4096
kill_at_work 20 16384 checksum=off
kill_at_work 20 65536 algorithm=lz4:level=10
