#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# After SIGKILL in the middle of whatever maintains pages, a pool and its
# backing file hold all that was acknowledged.
. "${srcdir:-.}/tests/lib/functions.sh"

[ -x "$bin/nbd-kill" ] || skip "built without libnbd"
requires_algorithm zstd || skip "built without zstd"

safe=0
backing=("backing=$tmp/backing" backing-size=32M)

# kill_at_work ROUNDS PAGES PAGE_SIZE PARAMETERS...
kill_at_work ()
{
    local rounds=${quick:+8} pages=$2 page_size=$3
    rounds=${rounds:-$1}
    shift 3

    new_pool
    rm -f "$tmp/backing"
    echo "kill: page-size=$page_size $* (SEED=$seed)"
    nbdkit_command -f -U "$tmp/sock" zram "$((pages * page_size))" \
        page-size="$page_size" pool="$pool" control="$tmp/control" \
        "${backing[@]}" recompress-age=1 \
        writeback-age=1 maintenance-cpu=100 "$@"
    "$bin/nbd-kill" -s "$seed" -n "$rounds" -p "$page_size" -l "$safe" \
        -m "$tmp/control" "$tmp/sock" "$pool" "${command[@]}" ||
        fail "SEED=$seed"
    rm -f "$pool"
}

kill_at_work 40 12288 4096 dedup=pool recompress=zstd:level=1:dict=auto
kill_at_work 40 1536 4096 dedup=device algorithm=zstd:level=1 \
    recompress=zstd:level=5 mem-limit=64M
kill_at_work 20 768 16384 dedup=pool recompress=lz4hc recompress=zstd

# Cold pages on a server, which is not killed.  Who attaches writes nothing
# there for a second.
nbdkit_zram --dump-plugin zram | grep -qx zram_backing=file,nbd ||
    skip "the rest: built without NBD for backing"
start_nbdkit far memory 32M
far=$pid
backing=("backing=$(uri far)")
safe=1000
kill_at_work 20 12288 4096 dedup=pool recompress=zstd:level=1:dict=auto

# ... and on another one, too, which is killed, and comes back empty.
comes_and_goes ()
{
    trap - EXIT HUP INT TERM
    while :; do
        rm -f "$tmp/off.sock"
        nbdkit --exit-with-parent -f -U "$tmp/off.sock" memory 32M \
            >/dev/null 2>&1 &
        sleep 3
        kill -9 $!
        wait $! 2>/dev/null || :
    done
}
stop_nbdkit "$far" KILL
start_nbdkit far memory 32M
comes_and_goes &
servers+=($!)
backing=("backing=$(uri off)" "backing=$(uri far)")
kill_at_work 10 12288 4096 dedup=pool recompress=zstd:level=1:dict=auto
