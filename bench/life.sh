#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The life of a page, seen over NBD and the control socket: memory after
# recompression beside the kernel's zram, requests while maintenance
# works, how soon the server answers questions, and what is left when all
# is trimmed.
#   life.sh DATA
# Each comparison is within one run; latencies are medians of rounds,
# at rest and at work in turns.
set -e
. "$(dirname "$0")/functions.sh"
. "$(dirname "$0")/kernel-zram.sh"

data=$1
rounds=${ROUNDS:-5}
size=$(stat -c %s "$data")
pages=$((size / 4096))
backing=$(mktemp "${BACKING_DIR:-/var/tmp}/nbdzram-bench.XXXXXX")
memory_backing=/dev/shm/${backing##*/}
export XDG_RUNTIME_DIR=$tmp
mkdir -p "$tmp/nbdzram"

busy=
stop_work () {
    if [ -n "$busy" ]; then
        rm -f "$tmp/work"
        wait "$busy" || :
        busy=
    fi
}
end () {
    stop_work
    cleanup
    rm -f "$backing" "$memory_backing"
}
trap end EXIT

# serve NAME ARGUMENT...: a disk of the data's size, filled.
serve () {
    local name=$1
    shift
    start_server "$name" zram "$size" name="$name" \
                 control="$tmp/$name.ctl" "$@"
    nbd-load --fill --data="$data" "$(uri "$name")"
}

verb () {
    local name=$1
    shift
    nbdzram "$@" --control="$tmp/$name.ctl" > /dev/null
}

statistic () {
    nbdzram status --json --control="$tmp/$1.ctl" |
        sed -n 's/.*"'"$2"'": *\([0-9]*\).*/\1/p' | head -n 1
}

# ---- memory ----

# row_of_memory WHAT TARGET: what the server "full" holds.
row_of_memory () {
    local used resident
    used=$(statistic full mem_used_total)
    resident=$(($(rss full) - empty_rss))
    if [ -n "$kernel_used" ]; then
        table_row "$1 / kernel zram lz4" "$(calc "$used / $kernel_used")" \
                  "$2" "$(mib "$used") MiB; resident $(mib $resident) MiB: $(
                      calc "$resident / $kernel_used")"
    else
        echo "$1: $(mib "$used") MiB; resident $(mib $resident) MiB"
    fi
}

measure_empty () {
    start_server empty zram "$size" name=empty control="$tmp/empty.ctl" "$@"
    nbd-load --fill --data="$data" --span=1048576 "$(uri empty)"
    nbd-load --trim "$(uri empty)"
    verb empty compact
    empty_rss=$(rss empty)
    stop_server empty
}

# measure_memory WHAT TARGET RECOMPRESS [PARAMETER...]
measure_memory () {
    local what=$1 target=$2 how=recompress=$3
    shift 3
    measure_empty "$how" policy=off
    serve full "$how" policy=off "$@"
    verb full idle all
    verb full recompress --type=idle
    verb full compact
    row_of_memory "$what" "$target"
    stop_server full
}

# Of pages neither ever recompressed nor so already.
measure_group () {
    measure_empty "recompress=$2" policy=off
    serve full "recompress=$2" policy=off
    verb full idle all
    verb full recompress --group --type=idle
    verb full recompress --type=idle
    verb full compact
    row_of_memory "grouped, $2" "$1"
}

# With a dictionary the server must have had time to train.
measure_dictionary () {
    local how=recompress=zstd:level=$2:dict=auto i
    measure_empty "$how"
    serve full "$how"
    for i in $(seq 100); do
        if nbdzram status --json --control="$tmp/full.ctl" |
                grep -q '"train": *[1-9]'; then break; fi
        sleep 0.2
    done
    verb full set policy=off
    verb full idle all
    verb full recompress --type=idle
    verb full compact
    row_of_memory "recompressed, zstd:level=$2:dict=auto" "$1"
    stop_server full
}

kernel_used=
use_kernel () {
    local missing
    missing=$(kernel_zram_missing lz4)
    if [ -n "$missing" ]; then
        not_measured "memory / kernel zram" "$missing"
        return
    fi
    trap 'end; reset_kernel_zram' EXIT
    fill_kernel_zram lz4 > /dev/null
    kernel_used=$(kernel_zram_used)
    reset_kernel_zram
    trap end EXIT
}

measure_all_memory () {
    local level
    use_kernel
    for level in ${LEVELS:-3 9 19}; do
        measure_memory "recompressed, zstd:level=$level" "<= 0.50" \
                       "zstd:level=$level"
        measure_dictionary "<= 0.50" "$level"
        measure_group "<= 0.42" "zstd:level=$level"
        measure_group_reads
        stop_server full
    done
}

# ---- reading a page of a group ----

measure_group_reads () {
    local line i
    for ((i = 1; i <= rounds; i++)); do
        line=$(load full $i)
        echo "$(field p50_us "$line") $(field p99_us "$line")"
    done > "$tmp/group"
    table_row "one page of a group, 4K read, p50, us" \
              "$(cut -d' ' -f1 "$tmp/group" | median)" "<= 100" \
              "over NBD, depth 1"
    table_row "one page of a group, 4K read, p99, us" \
              "$(cut -d' ' -f2 "$tmp/group" | median)" "<= 100" \
              "over NBD, depth 1"
}

# load NAME SEED: 4K reads at depth 1
load () {
    nbd-load --op=read --size=4096 --seconds="${SECONDS_EACH:-1}" \
             --seed="$2" "$(uri "$1")"
}

# ---- requests while maintenance works ----

# again COMMAND...: until the file "work" is gone.
again () { while [ -e "$tmp/work" ]; do "$@"; done; }

recompress_some () {
    verb busy idle all
    verb busy recompress --type=idle --max-pages=1000
}

# Reading is from the first half, which stays in memory.
write_back_some () {
    local first=$((pages / 2 + RANDOM % (pages / 2 - 1000)))
    verb busy writeback --type=all --range=$first-$((first + 999))
}

# Jobs are done one at a time: each of these has its turns.
work_hard () {
    again recompress_some &
    again write_back_some &
    again verb busy compact &
    wait
}

by_itself () { again sleep 0.1; }

p99 () {
    field p99_us "$(nbd-load --op=read --seconds="${SECONDS_EACH:-1}" \
                             --span=$((size / 2)) --seed="$1" "$(uri busy)")"
}

# latencies WORK: "REST WORK" in lines, by round; each begins with fresh
# pages, some of them in other places than before.
latencies () {
    local r rest
    for ((r = 1; r <= rounds; r++)); do
        nbd-load --fill --data="$data" "$(uri busy)"
        nbd-load --data="$data" --op=write --depth=8 --seconds=0.3 \
                 --seed=$r "$(uri busy)" > /dev/null
        rest=$(p99 $r)
        touch "$tmp/work"
        if [ "$1" = by_itself ]; then verb busy set policy=on; fi
        "$1" &
        busy=$!
        sleep 0.3
        echo "$rest $(p99 $r)"
        stop_work
        verb busy set policy=off
    done
}

# row_of_latencies WHAT WORK
row_of_latencies () {
    latencies "$2" > "$tmp/lat"
    table_row "$1: p99 / at rest" \
              "$(awk '{ print $2 / $1 }' "$tmp/lat" | median)" "<= 3" \
              "at rest $(cut -d' ' -f1 "$tmp/lat" | median) us, at work $(
                  cut -d' ' -f2 "$tmp/lat" | median) us; $(
                  statistic busy bd_writes) pages written back, $(
                  statistic busy pages_compacted) given back"
}

# The policy writes back what is read, too: its file is in memory, so that
# what is measured is the work, and not the disk's own latency.
measure_latency () {
    serve busy recompress=zstd:level=3 policy=off \
          backing="$backing" backing-size=1G
    row_of_latencies "4K reads, verbs in a loop" work_hard
    stop_server busy
    rm -f "$backing"
    serve busy recompress=zstd:level=3 policy=off \
          recompress-age=1 writeback-age=2 \
          backing="$memory_backing" backing-size=1G
    row_of_latencies "4K reads, policy" by_itself
    stop_server busy
    rm -f "$memory_backing"
}

# ---- questions ----

# milliseconds COMMAND...
milliseconds () {
    local start=$EPOCHREALTIME
    "$@" > /dev/null
    echo "$(calc "($EPOCHREALTIME - $start) * 1000")"
}

status_by_command () {
    local i
    for ((i = 0; i < 21; i++)); do milliseconds verb full status; done
}

measure_status () {
    local pid line
    serve full
    nbd-load --data="$data" --op=write --depth=32 --connections=4 \
             --seconds=600 "$(uri full)" > /dev/null &
    pid=$!
    sleep 0.5
    line=$(ask "$tmp/full.ctl" '{"verb": "status"}' 50)
    table_row "status of a socket, 32 writes in flight, ms" \
              "$(field p50_ms "$line")" "<= 10" "$line"
    status_by_command | sort -g > "$tmp/ms"
    table_row "the command nbdzram status, likewise, ms" \
              "$(median < "$tmp/ms")" "<= 10" \
              "with its process; longest $(tail -n 1 "$tmp/ms")"
    kill $pid
    wait $pid 2>/dev/null || :
    line=$(ask "$tmp/full.ctl" '{"verb": "status"}' 20)
    table_row "status of a socket, at rest, ms" \
              "$(field p50_ms "$line")" "<= 10" "$line"
    stop_server full
}

# ---- after trimming ----

# The same, with its memory locked.  nbdkit does that before it would go
# to the background, where the lock would be lost.
start_locked_server () {
    local name=$1 i
    shift
    "$RUN" nbdkit -f --swap -P "$tmp/$name.pid" -U "$tmp/$name.sock" "$@" &
    for ((i = 0; i < 500; i++)); do
        if [ -s "$tmp/$name.pid" ] &&
                nbdinfo --size "$(uri "$name")" > /dev/null 2>&1; then
            server_pids[$name]=$(cat "$tmp/$name.pid")
            return
        fi
        sleep 0.01
    done
    return 1
}

# row_of_trim WHAT START ARGUMENT...
row_of_trim () {
    local what=$1 start=$2 before
    shift 2
    "$start" full "$@" name=full control="$tmp/full.ctl"
    nbd-load --fill --data="$data" --span=1048576 "$(uri full)"
    nbd-load --trim "$(uri full)"
    before=$(rss full)
    nbd-load --fill --data="$data" "$(uri full)"
    load full 1 > /dev/null
    nbd-load --trim "$(uri full)"
    sleep 2.5
    table_row "$what: resident, MB more than empty" \
              "$(calc "($(rss full) - $before) / 1e6")" "<= 5" \
              "empty: $(mib "$before") MiB"
    stop_server full
}

echo "The life of a page"
if ! command -v nbd-load > /dev/null; then
    not_measured "the life of a page" "libnbd is missing"
    exit 0
fi
table_head
rm -f "$backing"
for part in ${PARTS:-memory latency status trim}; do
    case $part in
        memory) measure_all_memory;;
        latency) measure_latency;;
        status) measure_status;;
        trim)
            row_of_trim "all trimmed" start_server zram "$size"
            row_of_trim "all trimmed, locked" start_locked_server \
                        zram "$size"
            row_of_trim "all trimmed, dedup and recompression" start_server \
                        zram "$size" dedup=device recompress=zstd:level=3;;
    esac
done
