#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random requests agree with an oracle while everything that maintains
# pages works on them, by itself and by command.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io perl
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

# Until $tmp/enough is there; $tmp/rounds says how often it went round.
maintain ()
{
    local control=$XDG_RUNTIME_DIR/nbdzram/torture.ctl command rounds=0

    trap - EXIT HUP INT TERM
    until [ -S "$control" ] || [ ! -d "$tmp" ]; do sleep 0.01; done
    while [ -S "$control" ] && [ ! -e "$tmp/enough" ]; do
        for command in "${commands[@]}"; do
            # shellcheck disable=SC2086
            nbdzram $command torture >>"$tmp/replies" 2>"$tmp/said" ||
                cat "$tmp/said" >>"$tmp/refused"
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

# Every other page leaves the backing file: there must be something to
# clean.
leave_holes ()
{
    local trims=() offset

    for ((offset = 0; offset < 12582912; offset += 2 * page)); do
        trims+=("discard $offset $page")
    done
    perl -e 'srand $ARGV[0]; print map { chr rand 256 } 1 .. 1024 and
             print "\0" x 3072 for 1 .. 1536' "$seed" >"$tmp/quarters"
    io "$(uri zram)" "write -s $tmp/quarters 0 6M"
    io "$(uri oracle)" "write -s $tmp/quarters 0 6M"
    nbdzram set policy=on torture >/dev/null
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

has_happened ()
{
    local name

    nbdzram status --json torture >>"$tmp/replies"
    for name; do
        [ "$(most "$name")" -gt 0 ] || return 1
    done
}

# On a busy machine the commands may hardly have begun when the requests are
# through: then there are more of these.
go_on ()
{
    local i

    for ((i = 1; i <= 20; i++)); do
        ! has_happened recompressed_pages group_pages dup_pages bd_promoted \
            pages_compacted || return 0
        "$bin/nbd-model" -s $((seed + i)) -p "$page" -n "$batches" \
            "$(uri zram)" "$(uri oracle)" ||
            fail "SEED=$seed: nbd-model, $i times more"
    done
}

# Before the server ends: what has it come to?
look_back ()
{
    go_on
    touch "$tmp/enough"
    wait "$loop"
    leave_holes
    nbdzram status --json torture >>"$tmp/replies"
    echo "  rounds of commands: $(cat "$tmp/rounds")"
    ! grep -v 'no memory\|is full' "$tmp/refused" ||
        fail "SEED=$seed: a command failed"
    happened recompressed_pages group_pages dup_pages bd_count bd_writes \
        bd_promoted pages_compacted recompress group writeback clean
    never_happened checksum_errors failed_reads failed_writes bad_slots \
        bd_read_errors bd_write_errors
    "$bin/nbd-model" -s "$seed" -n 20 -T "$(uri zram)" "$(uri oracle)" ||
        fail "at the end: SEED=$seed"
    nbdzram status --json torture >"$tmp/replies"
    never_happened orig_data_size compr_data_size bd_count dup_pages
}

# torture PAGE_SIZE PARAMETERS...
torture ()
{
    page=$1
    shift

    rm -f "$tmp/backing" "$tmp/enough"
    : >"$tmp/replies" >"$tmp/refused"
    maintain &
    loop=$!
    servers+=("$loop")
    model 12582913 name=torture page-size="$page" mem-limit=48M \
        maintenance-cpu=100 recompress-age=1 writeback-age=1 \
        writeback-watermark=5 backing="$tmp/backing" backing-size=2M "$@"
}

batches=${quick:+200}
batches=${batches:-2000}
after_model=look_back
torture 4096 dedup=pool recompress=lz4hc recompress=zstd:level=3:dict=auto
torture 16384 dedup=device algorithm=zstd:level=-5 \
    recompress=zstd:level=9
