#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pages written back per second: to an NBD server beside a file on tmpfs,
# with the same pages, by turns.
#   backing.sh DATA
# The servers are nbdkit's memory plugin and this plugin, each at a socket
# and at a port of this machine, a mirror of two, and this plugin where it
# hardly tries to compress what is compressed already.  A ratio is the median
# of the ratios of the rounds, each to the file of the same round.
set -e
. "$(dirname "$0")/functions.sh"

data=$1
rounds=${ROUNDS:-5}
size=$((256 * 1024 * 1024))
port=$((20000 + RANDOM % 20000))

echo "Written back: medians of $rounds rounds of $((size / 1048576)) MiB"
if [ "$(stat -f -c %T /dev/shm)" != tmpfs ]; then
    not_measured "written back" "/dev/shm is not a tmpfs"
    exit 0
fi
file=$(mktemp -u /dev/shm/nbdzram-bench.XXXXXX)
end () {
    cleanup
    rm -f "$file"
}
trap end EXIT

# The data again and again, so that each round takes a while.
while cat "$data"; do :; done 2> /dev/null | head -c $size > "$tmp/data" || :

now () { date +%s%N; }

# spill PARAMETER...: a new disk, filled; prints pages written back a second.
spill () {
    local start end pages
    rm -f "$file"
    start_server zram zram $size policy=off control="$tmp/ctl" "$@"
    nbdcopy "$tmp/data" "$(uri zram)"
    start=$(now)
    pages=$("$RUN" nbdzram writeback --type all --json --control="$tmp/ctl" |
            sed -n 's/.*"written_pages": *\([0-9]*\).*/\1/p')
    end=$(now)
    stop_server zram
    calc "$pages / (($end - $start) / 1e9)"
}

# A far end, by a socket or by a port: then it is in WHERE.
where=()
far_socket () {
    start_server far "$@"
    where+=("backing=$(uri far)")
}
far_port () {
    local name=far${#where[@]} at=$((port + ${#where[@]}))
    "$RUN" nbdkit -P "$tmp/$name.pid" -i 127.0.0.1 -p $at "$@"
    nbdinfo --size "nbd://127.0.0.1:$at" > /dev/null
    server_pids[$name]=$(cat "$tmp/$name.pid")
    where+=("backing=nbd://127.0.0.1:$at")
}

far_end () {
    case $1 in
    file) where=(backing="$file" backing-size=1G) ;;
    memory-socket) far_socket memory 1G ;;
    memory-port) far_port memory 1G ;;
    memory-mirror) far_port memory 1G; far_port memory 1G ;;
    zram-socket) far_socket zram 1G policy=off control=off ;;
    zram-port) far_port zram 1G policy=off control=off ;;
    zram-quick)
        far_port zram 1G policy=off control=off algorithm=lz4:level=65537 ;;
    esac
}

# measure NAME ROUND: into a line "NAME ROUND SPEED".
measure () {
    local server
    where=()
    far_end "$1"
    echo "$1 $2 $(spill "${where[@]}")" >> "$tmp/rounds"
    for server in "${!server_pids[@]}"; do stop_server "$server"; done
}

# All in turn, every other round in reverse.
names=(memory-socket memory-port memory-mirror file zram-socket zram-port
       zram-quick)
for ((r = 1; r <= rounds; r++)); do
    for ((i = 0; i < ${#names[@]}; i++)); do
        measure "${names[(r % 2) ? i : ${#names[@]} - 1 - i]}" $r
    done
done

ratios () {
    awk -v n="$1" '$1 == n { a[$2] = $3 }
        $1 == "file" { b[$2] = $3 }
        END { for (r in a) printf "%.4f\n", a[r] / b[r] }' "$tmp/rounds" |
        sort -g
}

table_head
table_row "file on tmpfs: 1000 pages/s" \
          "$(calc "$(awk '$1 == "file" { print $3 }' "$tmp/rounds" |
                     median) / 1000")" - ""
for name in "${names[@]}"; do
    [ "$name" != file ] || continue
    all=$(ratios "$name")
    table_row "$name / file on tmpfs" "$(median <<< "$all")" '>= 0.5' \
        "rounds $(head -n 1 <<< "$all")-$(tail -n 1 <<< "$all")"
done
