#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random requests agree with an oracle, and none fails, while the server of
# the cold pages is killed and started again, over and over.  It is one of
# ours, whose pages are in a file.
. "${srcdir:-.}/tests/lib/functions.sh"

requires_algorithm zstd || skip "built without zstd"
requires_filter delay
nbdkit_zram --dump-plugin zram | grep -qx zram_backing=file,nbd ||
    skip "built without NBD for backing"
[ -x "$bin/nbd-model" ] || skip "built without libnbd"

# Reproducible, as far as moments are: random N is in $chance, below N.
RANDOM=$((seed % 32768))
random () { chance=$(((RANDOM * 32768 + RANDOM) % $1)); }

# pause MS: up to that.
pause ()
{
    random "$1"
    sleep "$((chance / 1000)).$(printf '%03d' $((chance % 1000)))"
}

# ---- the far end ----

# It answers at once, or so late that some requests are always under way.
# Who was killed may hold the pool for a moment longer.
start_far ()
{
    local delays=(0 1 20) ms

    random 3
    ms=${delays[$chance]}
    rm -f "$tmp/far.sock"
    until launch far -U "$tmp/far.sock" --filter=delay zram 8G policy=off \
        control=off pool="$pool" rdelay="${ms}ms" wdelay="${ms}ms"; do
        grep -q 'is using this pool' "$tmp/far.log" ||
            fail "SEED=$seed: $(cat "$tmp/far.log")"
    done
    far=$pid
}

state_is ()
{
    [ "$(nbdzram status -n --raw -o BACKING near)" = "$1" ]
}

# kill_far TIMES: mostly while it is in use, or else while it is being
# connected to.
kill_far ()
{
    local i

    for ((i = 0; i < $1; i++)); do
        random 4
        [ $chance = 0 ] || eventually state_is ok ||
            fail "SEED=$seed, kill $i: it is not connected to"
        pause 700
        [ ! -e "$tmp/failed" ] || fail "SEED=$seed, kill $i: $(cat "$tmp/said")"
        stop_nbdkit "$far" KILL
        pause 300
        start_far
    done
}

# ---- what goes on meanwhile ----

request ()
{
    local n=0

    trap - EXIT HUP INT TERM
    until [ -e "$tmp/enough" ]; do
        "$bin/nbd-model" -s $((seed + n)) -n 20 "$(uri zram)" \
            "$(uri oracle)" >"$tmp/said" 2>&1 ||
            touch "$tmp/failed" "$tmp/enough"
        n=$((n + 1))
        echo $n >"$tmp/runs"
    done
}

# Everything goes to the far end at once, if that is there.
write_back ()
{
    trap - EXIT HUP INT TERM
    until [ -e "$tmp/enough" ]; do
        nbdzram writeback --type all near >"$tmp/refused" 2>&1 || :
        nbdzram status --json near >>"$tmp/replies"
    done
}

# most NAME: the most that was ever said of it.
most ()
{
    grep -o "\"$1\": [0-9]*" "$tmp/replies" |
        awk '$2 > max { max = $2 } END { print max + 0 }'
}

# survive KILLS PARAMETERS...
survive ()
{
    local kills=${quick:+3} jobs=() job name
    kills=${kills:-$1}
    shift

    new_pool
    rm -f "$tmp/enough"
    : >"$tmp/replies"
    echo "far end killed $kills times: $* (SEED=$seed)"
    start_far
    start_nbdkit oracle memory 12582913 allocator=sparse
    oracle=$pid
    start_nbdkit zram zram 12582913 name=near backing="$(uri far)" \
        backing-timeout=60 writeback-age=1 maintenance-cpu=100 "$@"
    near=$pid
    request &
    jobs+=($!)
    write_back &
    jobs+=($!)
    servers+=("${jobs[@]}")
    kill_far "$kills"
    touch "$tmp/enough"
    for job in "${jobs[@]}"; do
        wait "$job" || fail "SEED=$seed: no status from the near end"
    done
    [ ! -e "$tmp/failed" ] || fail "SEED=$seed: $(cat "$tmp/said")"
    echo "  runs of the model: $(cat "$tmp/runs")"

    # Once more, from there and back.
    eventually nbdzram writeback --type all near >"$tmp/refused" 2>&1 ||
        fail "SEED=$seed: $(cat "$tmp/refused")"
    nbdzram status --json near >>"$tmp/replies"
    "$bin/nbd-model" -s "$seed" -n 5 -T "$(uri zram)" "$(uri oracle)" ||
        fail "at the end: SEED=$seed"
    nbdzram status --json near >>"$tmp/replies"
    for name in bd_count bd_reads bd_writes bd_reconnects; do
        echo "  $name: $(most $name)"
        [ "$(most $name)" -gt 0 ] || fail "SEED=$seed: no $name"
    done
    for name in bd_read_errors checksum_errors failed_reads failed_writes \
                bad_slots; do
        [ "$(most $name)" = 0 ] || fail "SEED=$seed: $(most $name) $name"
    done
    stop_nbdkit "$near"
    stop_nbdkit "$oracle"
    stop_nbdkit "$far" KILL
}

survive 15 page-size=4096
survive 15 page-size=16384 dedup=pool recompress=zstd:level=3 \
    recompress-age=1 recompress-group=on
