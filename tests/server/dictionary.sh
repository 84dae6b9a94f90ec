#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# algorithm=zstd:dict=FILE, across servers and kills.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdcopy cmp perl
requires_algorithm zstd || skip "built without zstd"

# Pages that have much in common with each other, little in themselves.
make_pages ()
{
    perl -e '
        srand ($ARGV[0]);
        my @words = map { join "", map { chr int rand 256 } 1 .. 64 } 1 .. 200;
        srand ($ARGV[1]);
        for (1 .. $ARGV[2]) {
            print join "", map { $words[rand @words] } 1 .. 64;
        }' "$@"
}

pages=400
size=$((pages * 4096))
make_pages 1 2 $pages >"$tmp/a"
make_pages 1 3 10 >"$tmp/dict"
make_pages 1 4 10 >"$tmp/other"

# compressed_size FILE PARAMETERS...: the bytes it takes.
compressed_size ()
{
    local file=$1
    shift
    start_nbdkit stats zram $size "$@" name=stats >&2
    nbdcopy "$file" "$(uri stats)"
    nbdzram status --noheadings --raw --bytes --output COMPR stats
    stop_nbdkit "$pid" >&2
}

plain=$(compressed_size "$tmp/a" algorithm=zstd:level=3)
with=$(compressed_size "$tmp/a" "algorithm=zstd:dict=$tmp/dict:level=3")
echo "compr_data_size: $plain, with a dictionary $with"
[ "$with" -lt $((plain / 2)) ] || fail "the dictionary gains too little"

# A server is killed; the next has the same dictionary, another, none, or
# is of another algorithm, and all pages are there.
new_pool
cp "$tmp/a" "$tmp/now"
servers_agree ()
{
    start_nbdkit zram zram $size "pool=$pool" "$@"
    nbdcopy "$(uri zram)" "$tmp/found"
    cmp "$tmp/now" "$tmp/found" || fail "$*: pages differ"
    # A different hundred each time, so that pages of all remain.
    dd if="$tmp/a" of="$tmp/now" bs=4096 count=100 conv=notrunc status=none \
        skip=$((RANDOM % 300)) seek=$((turn * 50))
    nbdcopy "$tmp/now" "$(uri zram)"
    turn=$((turn + 1))
    stop_nbdkit "$pid" KILL
}

start_nbdkit zram zram $size "pool=$pool" "algorithm=zstd:dict=$tmp/dict"
nbdcopy "$tmp/now" "$(uri zram)"
stop_nbdkit "$pid" KILL
turn=0
for spec in "zstd:level=9:dict=$tmp/dict" "zstd:dict=$tmp/other" zstd lz4 \
    "zstd:dict=$tmp/dict:level=1"
do
    servers_agree "algorithm=$spec"
done

# The file isn't needed any more once the pool has it.
start_nbdkit zram zram $size "pool=$pool" "algorithm=zstd:dict=$tmp/dict"
rm "$tmp/dict"
nbdcopy "$tmp/a" "$(uri zram)"
stop_nbdkit "$pid" KILL
start_nbdkit zram zram $size "pool=$pool" algorithm=zstd:dict=auto
nbdcopy "$(uri zram)" "$tmp/found"
cmp "$tmp/a" "$tmp/found"
stop_nbdkit "$pid"

# Each server brings another dictionary and writes a few pages with it;
# the ninth is refused, until one is free again.
rm -f "$pool"
for i in 0 1 2 3 4 5 6 7; do
    make_pages $((10 + i)) 1 4 >"$tmp/dict$i"
    start_nbdkit zram zram $size "pool=$pool" "algorithm=zstd:dict=$tmp/dict$i"
    io "$(uri zram)" "write -s $tmp/dict$i $((i * 16))k 16k"
    stop_nbdkit "$pid" KILL
done
nbdkit_command -f -U "$tmp/ninth.sock" zram $size "pool=$pool" \
    "algorithm=zstd:dict=$tmp/other"
if timeout 30 "${command[@]}" >"$tmp/ninth" 2>&1; then
    fail "a ninth dictionary was taken"
fi
[ "${NBDZRAM_PRELOAD:-}" ] || grep -q 'no room for another' "$tmp/ninth" ||
    fail "$(cat "$tmp/ninth")"
start_nbdkit zram zram $size "pool=$pool"
nbdcopy "$(uri zram)" "$tmp/found"
for i in 0 1 2 3 4 5 6 7; do
    cmp -n 16384 -i $((i * 16384)):0 "$tmp/found" "$tmp/dict$i"
done
io "$(uri zram)" "discard 32k 16k"
stop_nbdkit "$pid" KILL
start_nbdkit zram zram $size "pool=$pool" "algorithm=zstd:dict=$tmp/other"
stop_nbdkit "$pid"
