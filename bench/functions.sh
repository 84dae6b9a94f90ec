# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the benchmark scripts share.  They are to be started by the script
# "run" of the build tree; RUN tells where it is.

export LC_ALL=C
: "${RUN:=./run}"

tmp=$(mktemp -d)
export XDG_RUNTIME_DIR=$tmp      # servers here are nobody else's
declare -A server_pids

cleanup () {
    local name
    for name in "${!server_pids[@]}"; do stop_server "$name"; done
    rm -rf "$tmp"
}
trap cleanup EXIT

uri () { echo "nbd+unix:///?socket=$tmp/$1.sock"; }

# start_server NAME ARGUMENT...: nbdkit with these arguments; it serves
# when this returns.
start_server () {
    local name=$1
    shift
    "$RUN" nbdkit -P "$tmp/$name.pid" -U "$tmp/$name.sock" "$@" || return 1
    nbdinfo --size "$(uri "$name")" > /dev/null || return 1
    server_pids[$name]=$(cat "$tmp/$name.pid")
}

stop_server () {
    local pid=${server_pids[$1]}
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
    unset "server_pids[$1]"
    rm -f "$tmp/$1.pid" "$tmp/$1.sock"
}

# Resident bytes of a server, and of its pool file.
rss () {
    awk '$1 == "Rss:" { print $2 * 1024 }' \
        "/proc/${server_pids[$1]}/smaps_rollup"
}

pool_file () {
    local fd
    for fd in /proc/"${server_pids[$1]}"/fd/*; do
        if [[ $(readlink "$fd") == /memfd:* ]]; then
            echo $(($(stat -L -c %b "$fd") * 512))
            return
        fi
    done
    echo 0
}

mib () { awk "BEGIN { printf \"%.2f\", ($1) / 1048576 }"; }

# field NAME LINE: the value in "... NAME=value ..."
field () {
    local line=" $2"
    line=${line#* "$1"=}
    echo "${line%% *}"
}

# The median of the numbers on stdin, one a line.
median () {
    sort -g | awk '{ v[NR] = $1 }
        END { if (NR) print (v[int ((NR + 1) / 2)] + v[int (NR / 2) + 1]) / 2 }'
}

calc () { awk "BEGIN { printf \"%.6g\", ($*) }"; }

# As in measure.c.
table_head () {
    printf '%-46s %9s  %-8s %-4s %s\n' what measured target met details
}

# table_row WHAT VALUE TARGET DETAILS: TARGET is ">= N", "<= N" or "-"
table_row () {
    local met=-
    if [ "$3" != - ]; then
        met=$(awk "BEGIN { print ($2 $3) ? \"yes\" : \"no\" }")
    fi
    printf '%-46s %9.3f  %-8s %-4s %s\n' "$1" "$2" "$3" "$met" "$4"
}

not_measured () { printf '%-46s not measured: %s\n' "$1" "$2"; }
