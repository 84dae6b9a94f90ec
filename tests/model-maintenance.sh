#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random requests agree with an oracle while everything that maintains
# pages works on them, by itself and by command.
. "${srcdir:-.}/tests/functions.sh"

requires qemu-io
requires_algorithm zstd || skip "built without zstd"

# Each of these in turn, until the server ends.  What it may answer
# besides success is that there is no memory or no room for more.
commands=(
    "idle all"
    "recompress --json --type idle"
    "status --json"
    "recompress --group"
    "status --json"
    "writeback --type idle"
    "status --json"
    "compact"
    "set mem-limit=64M writeback-age=2 policy=off"
    "idle 1"
    "writeback --type all"
    "trim-empty"
    "pages --range 100-"
    "set mem-limit=48M writeback-age=1 policy=on"
    "recompress --json --type huge --max-pages 50"
    "writeback --type huge_idle"
    "metrics"
    "status --json"
)

# The loop ends with the server's socket; DIR/maintained says how often it
# went round.
maintain ()
{
    local control=$XDG_RUNTIME_DIR/nbdzram/torture.ctl command rounds=0

    trap - EXIT HUP INT TERM
    until [ -S "$control" ] || [ ! -d "$tmp" ]; do sleep 0.01; done
    while [ -S "$control" ]; do
        for command in "${commands[@]}"; do
            # shellcheck disable=SC2086
            nbdzram $command torture >>"$tmp/replies" 2>"$tmp/said" ||
                ! [ -S "$control" ] || cat "$tmp/said" >>"$tmp/refused"
        done
        rounds=$((rounds + 1))
        echo $rounds >"$tmp/rounds"
    done
}

# most NAME: the most that was ever said of it.
most ()
{
    grep -o "\"$1\": [0-9]*" "$tmp/replies" |
        awk '$2 > max { max = $2 } END { print max + 0 }'
}

happened ()
{
    local name n

    for name; do
        n=$(most "$name")
        echo "  $name: $n"
        [ "$n" -gt 0 ] || fail "SEED=$seed: no $name"
    done
}

never_happened ()
{
    local name

    for name; do
        [ "$(most "$name")" = 0 ] ||
            fail "SEED=$seed: $(most "$name") $name"
    done
}

# Half of what is in the backing file is trimmed, here and there: there
# must be something to clean.
leave_holes ()
{
    local trims=() offset

    for ((offset = 0; offset < 12582912; offset += 32768)); do
        trims+=("discard $offset 16k")
    done
    nbdzram writeback --type all torture >/dev/null 2>&1 || :
    io "$(uri zram)" "${trims[@]}"
    io "$(uri oracle)" "${trims[@]/discard/write -z}"
    eventually is_cleaned || fail "SEED=$seed: nothing was cleaned"
}

is_cleaned ()
{
    nbdzram status --json torture >>"$tmp/replies"
    [ "$(most clean)" -gt 0 ]
}

# Before the server ends: what has it come to?
look_back ()
{
    leave_holes
    nbdzram status --json torture >>"$tmp/replies"
    echo "  rounds of commands: $(cat "$tmp/rounds")"
    ! grep -v 'no memory\|is full' "$tmp/refused" ||
        fail "SEED=$seed: a command failed"
    happened recompressed_pages group_pages dup_pages bd_count bd_writes \
        bd_promoted pages_compacted recompress group writeback clean compact
    never_happened checksum_errors failed_reads failed_writes bad_slots \
        bd_read_errors bd_write_errors
    "$bin/nbd-model" -s "$seed" -n 20 -T "$(uri zram)" "$(uri oracle)" ||
        fail "at the end: SEED=$seed"
    nbdzram status --json torture >"$tmp/replies"
    never_happened orig_data_size compr_data_size bd_count dup_pages
}

# torture DISK PARAMETERS...
torture ()
{
    local size=$1
    shift

    rm -f "$tmp/backing"
    : >"$tmp/replies" >"$tmp/refused"
    maintain &
    servers+=("$!")
    model "$size" name=torture mem-limit=48M maintenance-cpu=100 \
        recompress-age=1 writeback-age=1 writeback-watermark=5 \
        backing="$tmp/backing" backing-size=2M "$@"
}

batches=${quick:+150}
batches=${batches:-2000}
after_model=look_back
torture 12582913 dedup=pool recompress=lz4hc recompress=zstd:level=3:dict=auto
torture 12582913 dedup=device page-size=16K algorithm=zstd:level=-5 \
    recompress=zstd:level=9
