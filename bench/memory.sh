#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Memory: of the pages, beside the kernel's zram; of a huge empty disk;
# and after most of a disk was trimmed.
#   memory.sh DATA
set -e
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/kernel-zram.sh"

data=$1
size=$(stat -c %s "$data")
pages=$((size / 4096))

us_a_page () { awk "BEGIN { printf \"%.1f\", $1 / $pages * 1e6 }"; }

load () {
    local name=$1
    shift
    nbd-load --data="$data" --depth=32 --connections=4 --seconds=0.5 "$@" \
             "$(uri "$name")" > /dev/null
}

# rewrite NAME [BLOCK-DEVICE]: random pages at random places, then the
# pages of the data again, so that as much is stored as before, on top of
# something else.  Of a block device, nothing may stay in its cache.
rewrite () {
    load "$1" --op=write
    if [ -n "$2" ]; then sync "$2"; fi
    nbd-load --fill --data="$data" "$(uri "$1")"
    if [ -n "$2" ]; then sync "$2"; fi
}

# ---- the kernel's zram ----

# Sets kernel_filled and kernel_rewritten, bytes, and kernel_speed.
use_kernel_zram () {
    local w r
    trap 'cleanup; reset_kernel_zram' EXIT
    w=$(fill_kernel_zram "$1" | seconds_of_dd)
    r=$(dd if=/dev/zram0 of=/dev/null bs=4k iflag=direct 2>&1 | seconds_of_dd)
    kernel_speed="write $(us_a_page "$w") us, read $(us_a_page "$r") us"
    kernel_filled=$(kernel_zram_used)
    start_server kernel file /dev/zram0
    rewrite kernel /dev/zram0
    stop_server kernel
    kernel_rewritten=$(kernel_zram_used)
    reset_kernel_zram
    trap cleanup EXIT
}

# ---- (a) the pages ----

# What a server that has done all it does holds, with nothing stored.
measure_empty () {
    start_server empty zram "$size" algorithm="$1"
    nbd-load --fill --data="$data" --span=1048576 "$(uri empty)"
    load empty --op=read
    load empty --op=write --span=1048576
    nbd-load --trim "$(uri empty)"
    empty_rss=$(rss empty)
    empty_file=$(pool_file empty)
    stop_server empty
}

# row_of_pages WHAT KERNEL-BYTES TARGET
row_of_pages () {
    local what=$1 used file
    used=$(($(rss full) - empty_rss))
    file=$(($(pool_file full) - empty_file))
    echo "$what: resident $(mib $used) MiB, pool file $(mib $file) MiB" \
         "(empty: resident $(mib "$empty_rss") MiB)"
    if [ -n "$2" ]; then
        table_row "$what / kernel zram" "$(calc "$used / $2")" \
                  "$3" "kernel: $(mib "$2") MiB"
    fi
}

measure_pages () {
    local missing
    kernel_filled=
    kernel_rewritten=
    missing=$(kernel_zram_missing "$1")
    if [ -n "$missing" ]; then
        not_measured "$1: memory / kernel zram" "$missing"
    else
        use_kernel_zram "$1"
        echo "$1: kernel zram, O_DIRECT 4K in order, a page: $kernel_speed"
    fi
    measure_empty "$1"
    start_server full zram "$size" algorithm="$1"
    nbd-load --fill --data="$data" "$(uri full)"
    load full --op=read
    row_of_pages "$1: memory, filled" "$kernel_filled" "<= 1.00"
    rewrite full
    row_of_pages "$1: memory, rewritten" "$kernel_rewritten" "<= 1.00"
    stop_server full
}

# ---- (b) an empty disk ----

measure_huge () {
    local start end
    start=$EPOCHREALTIME
    start_server huge zram 64T
    end=$EPOCHREALTIME
    table_row "64 TiB, empty: start, s" "$(calc "$end - $start")" "<= 0.20" \
              "until the first client has its answer"
    table_row "64 TiB, empty: resident, MB" \
              "$(calc "$(rss huge) / 1e6")" "<= 12" \
              "pool file $(($(pool_file huge) / 1024)) KiB"
    start=$EPOCHREALTIME
    nbdinfo --map "$(uri huge)" > /dev/null
    end=$EPOCHREALTIME
    table_row "64 TiB, empty: nbdinfo --map, s" "$(calc "$end - $start")" \
              "<= 1" "resident then $(calc "$(rss huge) / 1e6") MB"
    stop_server huge
}

algorithms=()
for a in lz4 lzo zstd; do
    if "$RUN" nbdkit zram --dump-plugin | grep -qx "zram_$a=yes"; then
        algorithms+=("$a")
    fi
done

echo "Memory"
table_head
if ! command -v nbd-load > /dev/null || ! command -v nbdinfo > /dev/null; then
    not_measured "memory of a server" "libnbd is missing"
else
    for a in "${algorithms[@]}"; do measure_pages "$a"; done
    measure_huge
fi
echo
echo "After 90 % of the pages were trimmed at random, and compaction"
table_head
compact --trim=90 "$data" "${algorithms[@]}"
