#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After SIGKILL, again and again, each of eight exports holds all that was
# acknowledged.
. "${srcdir:-.}/tests/lib/functions.sh"

[ -x "$bin/nbd-kill" ] || skip "built without libnbd"

# kill_at_work ROUNDS PARAMETERS...
kill_at_work ()
{
    local rounds=${quick:+5} i own
    rounds=${rounds:-$1}
    shift

    new_pool
    echo "kill: eight exports $* (SEED=$seed)"
    # Every other with an algorithm of its own.
    for i in {0..7}; do
        own=:algorithm=lz4hc:level=$i
        ((i % 2)) || own=
        set -- "$@" "export=$i:size=1M$own"
    done
    nbdkit_command -f -U "$tmp/sock" zram "pool=$pool" "$@"
    "$bin/nbd-kill" -s "$seed" -n "$rounds" -e 8 \
        "$tmp/sock" "$pool" "${command[@]}" ||
        fail "SEED=$seed"
    rm -f "$pool"
}

kill_at_work 60
kill_at_work 20 dedup=device recompress=lz4hc recompress-age=1 \
    maintenance-cpu=100
