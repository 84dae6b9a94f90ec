#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzramd beside nbdkit: the same store in nbdkit with the plugin, nbdkit's
# plugin null and qemu-nbd's driver null-co, which store nothing.
#   nbdzramd.sh DATA
# Peers take turns in short rounds, in changing order.  A ratio is the median
# of the ratios of the rounds.  Processor time is the server's, user and
# system, as the kernel accounts for it.
set -e
. "$(dirname "$0")/functions.sh"

data=$1
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-1}
size=$(stat -c %s "$data")
tick=$(getconf CLK_TCK)

echo "nbdzramd: medians of $rounds rounds of $seconds s"

# ---- the peers ----

# start_at NAME COMMAND...: a server that writes its process to $tmp/NAME.pid.
start_at () {
    local name=$1
    shift
    "$@" 2> "$tmp/error" || return 1
    server_pids[$name]=$(cat "$tmp/$name.pid")
}

start_nbdzramd () {
    local name=$1
    shift
    start_at "$name" "$RUN" nbdzramd -P "$tmp/$name.pid" "$@"
}

start_qemu () {
    start_at qemu qemu-nbd --fork --pid-file="$tmp/qemu.pid" -t -e 64 \
        -k "$tmp/qemu.sock" \
        --image-opts "driver=null-co,size=$size,read-zeroes=on"
}

peers=()
add () {
    if "${@:2}"; then
        peers+=("$1")
    else
        not_measured "$1" "$(tail -n 1 "$tmp/error" 2>/dev/null)"
    fi
}
add null start_server null null "$size"
add plugin start_server plugin zram "$size"
add plugin-t1 start_server plugin-t1 -t 1 zram "$size"
add nbdzramd start_nbdzramd nbdzramd -U "$tmp/nbdzramd.sock" "$size"
add qemu start_qemu

port=$((20000 + RANDOM % 20000))
start_at plugin-tcp "$RUN" nbdkit -P "$tmp/plugin-tcp.pid" -i 127.0.0.1 \
    -p $port zram "$size"
start_nbdzramd nbdzramd-tcp -i 127.0.0.1 -p $((port + 1)) "$size"
where () {
    case $1 in
        plugin-tcp) echo "nbd://127.0.0.1:$port" ;;
        nbdzramd-tcp) echo "nbd://127.0.0.1:$((port + 1))" ;;
        *) uri "$1" ;;
    esac
}
for p in plugin plugin-t1 nbdzramd plugin-tcp nbdzramd-tcp; do
    nbd-load --fill --data="$data" "$(where $p)" > /dev/null
done

# ---- measuring ----

# Processor time of a server, in microseconds.
processor_time () {
    awk -v tick="$tick" '{ sub (/^.*\) /, ""); print ($12 + $13) * 1000000 / tick }' \
        "/proc/${server_pids[$1]}/stat"
}

# measure CASE OP DEPTH PEER...: lines "CASE PEER ROUND RPS CPU", by the client
# nbd-load $client.
measure () {
    local case=$1 op=$2 depth=$3 r i p line before
    shift 3
    for ((r = 1; r <= rounds; r++)); do
        for ((i = 0; i < $#; i++)); do
            p=${@:(r % 2) ? i + 1 : $# - i:1}
            before=$(processor_time "$p")
            # shellcheck disable=SC2086
            line=$(nbd-load $client --data="$data" --op="$op" --size=4096 \
                       --depth="$depth" --seed="$r" --seconds="$seconds" "$(where "$p")")
            echo "$case $p $r $(field rps "$line")" \
                 "$(calc "($(processor_time "$p") - $before) / $(field requests "$line")")"
        done
    done >> "$tmp/rounds"
}

# compare WHAT CASE COLUMN OTHER TARGET: nbdzramd's number / OTHER's
compare () {
    local all
    all=$(awk -v c="$2" -v n="$3" -v o="$4" -v us="${us:-nbdzramd}" '
        $1 == c && $2 == us { a[$3] = $n }
        $1 == c && $2 == o { b[$3] = $n }
        END { for (r in a) if (b[r] > 0) printf "%.4f\n", a[r] / b[r] }' \
        "$tmp/rounds" | sort -g)
    if [ -z "$all" ]; then
        not_measured "$1 / $4" "no such peer"
    else
        table_row "$1 / $4" "$(median <<< "$all")" "$5" \
                  "rounds $(head -n 1 <<< "$all")-$(tail -n 1 <<< "$all")"
    fi
}

show () {
    awk '{ k = $1 " " $2; rps[k] = rps[k] " " $4; cpu[k] = cpu[k] " " $5 }
         END { for (k in rps) print k rps[k] " :" cpu[k] }' "$tmp/rounds" |
        sort | while read -r case peer rest; do
            printf '%-20s %-14s %9.0f requests/s %7.2f us each\n' "$case" "$peer" \
                "$(tr ' ' '\n' <<< "${rest%:*}" | grep . | median)" \
                "$(tr ' ' '\n' <<< "${rest#*:}" | grep . | median)"
        done
}

# libnbd takes more processor time for a request than nbdzramd, so with many in
# flight it is what limits.  A client that sends them together does not.
client=
measure read-1 read 1 "${peers[@]}"
measure read-32 read 32 "${peers[@]}"
measure write-32 write 32 null plugin plugin-t1 nbdzramd
measure tcp-1 read 1 plugin-tcp nbdzramd-tcp
measure tcp-32 read 32 plugin-tcp nbdzramd-tcp
client=--batch
measure batch-read-32 read 32 "${peers[@]}"
measure batch-write-32 write 32 null plugin plugin-t1 nbdzramd
measure batch-tcp-32 read 32 plugin-tcp nbdzramd-tcp
client=

# With other work on every processor.
busy=()
for ((i = 0; i < $(nproc); i++)); do
    while :; do :; done &
    busy+=($!)
done
measure busy-1 read 1 plugin nbdzramd
kill "${busy[@]}"

show
echo
table_head
compare "processor time, depth 1" read-1 5 null "<= 0.75"
compare "processor time, depth 1" read-1 5 plugin "<= 0.55"
compare "processor time, depth 1" read-1 5 plugin-t1 -
compare "processor time, 32 reads in flight" read-32 5 null "<= 0.90"
compare "processor time, 32 reads in flight" read-32 5 plugin "<= 0.60"
compare "processor time, 32 writes in flight" write-32 5 plugin -
compare "requests, depth 1, processors busy" busy-1 4 plugin ">= 1.5"
compare "reads, depth 1" read-1 4 plugin -
compare "reads, depth 1" read-1 4 qemu ">= 0.80"
us=nbdzramd-tcp compare "TCP, depth 1" tcp-1 4 plugin-tcp ">= 1.3"
compare_deep () {
    compare "reads, 32 in flight$1" "$2read-32" 4 null ">= 1.3"
    compare "reads, 32 in flight$1" "$2read-32" 4 plugin ">= 1.5"
    compare "reads, 32 in flight$1" "$2read-32" 4 qemu ">= 1.3"
    compare "writes, 32 in flight$1" "$2write-32" 4 plugin ">= 1.25"
    us=nbdzramd-tcp compare "TCP, 32 in flight$1" "$2tcp-32" 4 plugin-tcp ">= 1.3"
}
compare_deep ", by libnbd" ""
compare_deep ", batches" batch-

# ---- a reader beside a writer ----

# All clients and servers share the processors, so the peers show what of it is
# the scheduler's.
# p99 PEER SEED
p99 () {
    field p99_us "$(nbd-load --op=read --depth=1 --seed="$2" \
        --seconds="$seconds" "$(uri "$1")")"
}

# beside PEER: a number for each round
beside () {
    local alone r load
    for ((r = 1; r <= rounds; r++)); do
        alone=$(p99 "$1" "$r")
        nbd-load --data="$data" --op=write --depth=32 --connections=4 \
            --seconds="$(calc "$seconds + 1")" "$(uri "$1")" > /dev/null &
        load=$!
        sleep 0.3
        calc "$(p99 "$1" "$r") / $alone"
        echo
        wait $load
    done
}

# beside_row PEER TARGET
beside_row () {
    beside "$1" | sort -g > "$tmp/beside"
    table_row "p99 beside 32 writes / alone: $1" "$(median < "$tmp/beside")" \
        "$2" "rounds $(head -n 1 "$tmp/beside")-$(tail -n 1 "$tmp/beside")"
}
beside_row nbdzramd "<= 4"
for p in plugin null qemu; do
    [[ ! " ${peers[*]} " == *" $p "* ]] || beside_row $p -
done

# ---- memory ----

start_nbdzramd idle -U "$tmp/idle.sock" 1M
empty=$(rss idle)
table_row "memory without clients, MB" "$(calc "$empty / 1000000")" "<= 8" ""
python3 - "$tmp/idle.sock" 500 "${server_pids[idle]}" > "$tmp/idle" << 'END'
import socket, struct, sys

def connect (path):
    s = socket.socket (socket.AF_UNIX)
    s.connect (path)
    got = b""
    while len (got) < 18:
        got += s.recv (18 - len (got))
    s.sendall (struct.pack (">IQIIIH", 3, 0x49484156454f5054, 7, 6, 0, 0))
    reply = b""
    while len (reply) < 20 + 12 + 20:
        reply += s.recv (65536)
    return s

def read (s):
    s.sendall (struct.pack (">IHHQQI", 0x25609513, 0, 0, 1, 0, 4096))
    got = b""
    while len (got) < 16 + 4096:
        got += s.recv (65536)

clients = [connect (sys.argv[1]) for i in range (int (sys.argv[2]))]
for s in clients:
    read (s)
for line in open ("/proc/%s/smaps_rollup" % sys.argv[3]):
    if line.startswith ("Rss:"):
        print (int (line.split ()[1]) * 1024)
END
table_row "memory of an idle connection of 500, KiB" \
    "$(calc "($(cat "$tmp/idle") - $empty) / 500 / 1024")" "<= 64" \
    "each has read a page"
