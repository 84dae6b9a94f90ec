#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests over NBD: this plugin beside nbdkit's own, which are served by
# the same nbdkit over the same kind of socket to the same client.
#   nbd.sh DATA
# Peers take turns in short rounds.  A ratio is the median of the ratios
# of the rounds.  null keeps nothing: it is what nbdkit and the client
# take by themselves.
set -e
. "$(dirname "$0")/functions.sh"

data=$1
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-0.5}

echo "Over NBD: medians of $rounds rounds of $seconds s"
if ! command -v nbd-load > /dev/null; then
    not_measured "requests over NBD" "libnbd is missing"
    exit 0
fi

size=$(stat -c %s "$data")
peers=()

# add_peer NAME ARGUMENT...: serve it, fill it.
add_peer () {
    local name=$1
    shift
    if ! start_server "$name" "$@" 2> "$tmp/error"; then
        not_measured "$name" "$(tail -n 1 "$tmp/error")"
        return
    fi
    nbd-load --fill --data="$data" "$(uri "$name")"
    peers+=("$name")
}

has_plugin () { "$RUN" nbdkit zram --dump-plugin | grep -qx "zram_$1=yes"; }

add_peer null null "$size"
add_peer memory memory "$size"
if nbdkit memory --dump-plugin | grep -qx zstd=yes; then
    add_peer memory-zstd memory "$size" allocator=zstd
else
    not_measured memory-zstd "this nbdkit has no allocator=zstd"
fi
for a in lz4 lzo zstd; do
    if has_plugin $a; then
        add_peer zram-$a zram "$size" algorithm=$a
    else
        not_measured zram-$a "not built in"
    fi
done

# load PEER OP SIZE DEPTH CONNECTIONS ROUND SECONDS
load () {
    nbd-load --data="$data" --op="$2" --size="$3" --depth="$4" \
             --connections="$5" --seed="$6" --seconds="$7" "$(uri "$1")"
}

# ---- how many connections share a depth of 32 ----

# The number with which the servers that do nothing but answer are
# fastest: the hardest one to compare with.
connections=1
choose_connections () {
    local c rps best=0 line details=
    for c in 1 2 4; do
        rps=$(for r in 1 2 3; do
                  field rps "$(load null read 4096 32 "$c" "$r" 0.3)"
              done | median)
        details+="$c: null ${rps%.*}"
        line=$(load zram-lz4 read 4096 32 "$c" 1 0.3)
        details+=" zram-lz4 $(field rps "$line")/s; "
        if [ "$(calc "$rps > $best")" = 1 ]; then
            best=$rps
            connections=$c
        fi
    done
    echo "connections for depth 32, by 4K reads a second: $connections" \
         "(${details%; })"
}

# ---- rounds ----

# measure CASE OP SIZE DEPTH CONNECTIONS: all peers in turn, every other
# round in reverse, into lines "CASE PEER ROUND RPS MBPS P50 P99".
measure () {
    local case=$1 r i p line
    for ((r = 1; r <= rounds; r++)); do
        for ((i = 0; i < ${#peers[@]}; i++)); do
            p=${peers[(r % 2) ? i : ${#peers[@]} - 1 - i]}
            line=$(load "$p" "$2" "$3" "$4" "$5" "$r" "$seconds")
            echo "$case $p $r $(field rps "$line") $(field mbps "$line")" \
                 "$(field p50_us "$line") $(field p99_us "$line")"
        done
    done >> "$tmp/rounds"
}

# column CASE PEER NUMBER: its median
column () {
    awk -v c="$1" -v p="$2" -v n="$3" '$1 == c && $2 == p { print $n }' \
        "$tmp/rounds" | median
}

# ratios CASE PEER OTHER: of requests a second, by round
ratios () {
    awk -v c="$1" -v p="$2" -v o="$3" '
        $1 == c && $2 == p { a[$3] = $4 }
        $1 == c && $2 == o { b[$3] = $4 }
        END { for (r in a) if (r in b) printf "%.4f\n", a[r] / b[r] }' \
        "$tmp/rounds" | sort -g
}

speeds_of () {
    local case=$1 p
    for p in "${peers[@]}"; do
        printf '%-24s %-12s %9.0f %9.1f %9.1f %9.1f\n' "$case" "$p" \
               "$(column "$case" "$p" 4)" "$(column "$case" "$p" 5)" \
               "$(column "$case" "$p" 6)" "$(column "$case" "$p" 7)"
    done
}

# compare CASE PEER TARGET
compare () {
    local all what="$1: zram-lz4 / $2"
    all=$(ratios "$1" zram-lz4 "$2")
    if [ -z "$all" ]; then
        not_measured "$what" "no such peer"
        return
    fi
    table_row "$what" "$(median <<< "$all")" "$3" \
              "rounds $(head -n 1 <<< "$all")-$(tail -n 1 <<< "$all")"
}

choose_connections
cases=()
while read -r name op bytes depth conns; do
    measure "$name" "$op" "$bytes" "$depth" "$conns"
    cases+=("$name")
done <<END
4K-read-depth-1      read    4096   1 1
4K-write-depth-1     write   4096   1 1
4K-read-depth-32     read    4096  32 $connections
4K-write-depth-32    write   4096  32 $connections
32K-read-depth-8     read   32768   8 1
32K-write-depth-8    write  32768   8 1
128K-read-depth-8    read  131072   8 1
128K-write-depth-8   write 131072   8 1
END

echo
printf '%-24s %-12s %9s %9s %9s %9s\n' case peer requests/s MB/s p50/us p99/us
for c in "${cases[@]}"; do speeds_of "$c"; done
echo
table_head
compare 4K-write-depth-32 null ">= 0.55"
compare 4K-write-depth-32 memory-zstd ">= 6"
compare 4K-read-depth-32 null ">= 0.80"
compare 4K-read-depth-32 memory-zstd ">= 3.5"
compare 4K-read-depth-1 null ">= 0.80"
for c in 4K-write-depth-1 32K-read-depth-8 32K-write-depth-8 \
         128K-read-depth-8 128K-write-depth-8; do
    compare "$c" null -
    compare "$c" memory-zstd -
done
