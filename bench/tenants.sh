#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One pool for many clients, by TCP on the loopback.
#   tenants.sh DATA
# Both sides of a ratio take turns in short rounds; a ratio is the median of
# the ratios of the rounds.
set -e
. "$(dirname "$0")/functions.sh"

data=$1
rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-1}
tenants=64
span=$((8 << 20))               # bytes of each that are used

if ! command -v nbd-load > /dev/null; then
    not_measured "tenants" "libnbd is missing"
    exit 0
fi

# start_tcp NAME ARGUMENT...: listens at port $port.
start_tcp () {
    local name=$1 i
    shift
    for ((i = 0; i < 20; i++)); do
        port=$((20000 + RANDOM % 20000))
        if "$RUN" nbdkit -P "$tmp/$name.pid" -i 127.0.0.1 -p $port "$@" \
                2> "$tmp/error"; then
            server_pids[$name]=$(cat "$tmp/$name.pid")
            return
        fi
    done
    cat "$tmp/error" >&2
    return 1
}

load () { nbd-load --data="$data" --seconds="$seconds" --span=$span "$@"; }

# ratio WHAT TARGET COMMAND OTHER: of what they print, round by round.
ratio () {
    local r all
    for ((r = 1; r <= rounds; r++)); do
        if [ $((r % 2)) = 1 ]; then
            a=$($3 $r) b=$($4 $r)
        else
            b=$($4 $r) a=$($3 $r)
        fi
        calc "$a / $b"
        echo
        echo "$a $b" >> "$tmp/details"
    done > "$tmp/ratios"
    all=$(sort -g "$tmp/ratios" | grep .)
    table_row "$1" "$(median <<< "$all")" "$2" "rounds $(head -n 1 <<< "$all")-$(
        tail -n 1 <<< "$all"), $(tail -n 1 "$tmp/details")"
}

echo "Tenants, by TCP: medians of $rounds rounds of $seconds s"
table_head

# ---- reads, beside a server that has nothing to read ----

start_tcp null null $span
null=nbd://127.0.0.1:$port
exports=()
for ((i = 0; i < tenants; i++)); do exports+=("export=$i:size=$span"); done
start_tcp zram zram size=$span "${exports[@]}"
zram=nbd://127.0.0.1:$port
nbd-load --fill --data="$data" --span=$span "$zram"

reads () { field rps "$(load --op=read --seed="$2" --depth="$3" --connections="$4" "$1")"; }
zram_1 () { reads "$zram" "$1" 1 1; }
null_1 () { reads "$null" "$1" 1 1; }
zram_32 () { reads "$zram" "$1" 32 1; }
null_32 () { reads "$null" "$1" 32 1; }
zram_32_4 () { reads "$zram" "$1" 32 4; }
null_32_4 () { reads "$null" "$1" 32 4; }
ratio "4K read, depth 1: zram / null" ">= 0.8" zram_1 null_1
ratio "4K read, depth 32: zram / null" ">= 0.8" zram_32 null_32
ratio "... by 4 connections" - zram_32_4 null_32_4

# ---- many tenants, beside one with as many connections ----

uris=()
for ((i = 0; i < tenants; i++)); do
    uris+=("$zram/$i")
    nbd-load --fill --data="$data" --span=$span "$zram/$i"
done
mixed () {
    local seed=$1 r w
    shift
    r=$(load --op=read --seed="$seed" --depth=64 --connections=$tenants "$@")
    w=$(load --op=write --seed="$seed" --depth=64 --connections=$tenants "$@")
    calc "$(field rps "$r") + $(field rps "$w")"
}
many () { mixed "$1" "${uris[@]}"; }
one () { mixed "$1" "$zram/0"; }
ratio "$tenants tenants / one with $tenants connections" ">= 0.9" many one

# ---- a reader beside a writer ----

# The one that reads is READER, the one that writes WRITER.
p99 () { field p99_us "$(load --op=read --seed="$1" --depth=1 "$reader")"; }
beside_load () {
    nbd-load --data="$data" --op=write --span=$span "${@:2}" \
        --seconds="$(calc "$seconds + 1")" "$writer" > /dev/null &
    local load=$!
    sleep 0.3
    p99 "$1"
    wait $load
}
beside () { beside_load "$1" --depth=1; }
beside_deep () { beside_load "$1" --depth=32 --connections=4; }
reader=$zram/1 writer=$zram/2
ratio "p99 of a reader, beside a writer / alone" "<= 4" beside p99
ratio "... that keeps 32 writes in flight" - beside_deep p99

# What two processors give a reader that shares them with so much else:
# nbdkit's own plugin, which only copies.
start_tcp memory memory $span
reader=nbd://127.0.0.1:$port writer=$reader
nbd-load --fill --data="$data" --span=$span "$reader"
ratio "... of nbdkit's memory plugin" - beside_deep p99
