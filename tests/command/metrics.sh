#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram metrics prints the format of Prometheus, and its numbers are right.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 qemu-io

check ()
{
    nbdzram metrics "$@" >"$tmp/metrics"
    python3 "$srcdir/tests/lib/prometheus.py" <"$tmp/metrics" ||
        fail "$(cat "$tmp/metrics")"
}

# value NAME{LABELS}
value ()
{
    grep -F "nbdzram_$1 " "$tmp/metrics" | cut -d ' ' -f 2
}

equals ()
{
    [ "$(value "$1")" = "$2" ] || fail "$1 is '$(value "$1")', not $2"
}

start_nbdkit zram zram 64M mem-limit=32M
zram=$pid
check
equals 'write_duration_seconds_count{server="zram0"}' 0
equals 'up{server="zram0"}' 1
equals 'memory_limit_bytes{server="zram0"}' 33554432
equals 'disk_size_bytes{server="zram0",export=""}' 67108864

head -c 40K /dev/urandom >"$tmp/random"
io "$(uri zram)" "write -s $tmp/random 0 40k" "write -P 255 64k 4k" \
    "write -P 0 68k 4k" "read 0 8k" "read 0 8k" "read 64k 4k" \
    "discard 68k 4k"
check
equals 'data_bytes{server="zram0"}' 45056
equals 'same_pages{server="zram0"}' 1
equals 'huge_pages{server="zram0"}' 10
equals 'trimmed_pages_total{server="zram0"}' 1
equals 'written_bytes_total{server="zram0"}' $((48 * 1024))
equals 'write_duration_seconds_count{server="zram0"}' 3
equals 'write_duration_seconds_bucket{server="zram0",le="+Inf"}' 3
equals 'object_size_bytes_count{server="zram0"}' 10
equals 'object_size_bytes_bucket{server="zram0",le="4096"}' 10
equals 'object_size_bytes_bucket{server="zram0",le="3840"}' 0
equals 'object_size_bytes_sum{server="zram0"}' 40960
# A client may also read partitions or other things.
[ "$(value 'read_duration_seconds_count{server="zram0"}')" -ge 3 ] &&
    [ "$(value 'read_bytes_total{server="zram0"}')" -ge $((20 * 1024)) ] ||
    fail "reads"
awk -v s="$(value 'write_duration_seconds_sum{server="zram0"}')" \
    'BEGIN { exit !(s > 0 && s < 60) }' || fail "no time"

# Of several servers, each family once.
start_nbdkit other zram 1G algorithm=lz4hc name=b.2
check
equals 'disk_size_bytes{server="b.2",export=""}' 1073741824
equals 'data_bytes{server="b.2"}' 0
equals 'data_bytes{server="zram0"}' 45056
equals 'up{server="b.2"}' 1
grep -q '^nbdzram_info{server="b.2",version=".*",algorithm="lz4hc"} 1$' \
    "$tmp/metrics"
check b.2
! grep zram0 "$tmp/metrics" || fail "zram0 was not asked for"

# ---- dead servers ----

# gone CODE ARGS...: metrics prints one error, and ends with CODE.
gone ()
{
    local code=0 wanted=$1
    shift
    nbdzram metrics "$@" >"$tmp/metrics" 2>"$tmp/error" || code=$?
    [ $code = "$wanted" ] && [ "$(wc -l <"$tmp/error")" = 1 ] ||
        fail "metrics $*: $code: $(cat "$tmp/error")"
    python3 "$srcdir/tests/lib/prometheus.py" <"$tmp/metrics" ||
        fail "$(cat "$tmp/metrics")"
}

# The socket of a killed server still exists; the other server answers.
stop_nbdkit "$pid" KILL
gone 3
equals 'up{server="b.2"}' 0
equals 'up{server="zram0"}' 1
equals 'data_bytes{server="zram0"}' 45056
gone 3 b.2
equals 'up{server="b.2"}' 0
[ "$(grep -v '^#' "$tmp/metrics" | grep -vc build_info)" = 1 ] ||
    fail "$(cat "$tmp/metrics")"
gone 3 --control="$XDG_RUNTIME_DIR/nbdzram/b.2.ctl"
equals 'up{server="b.2"}' 0
gone 3 other
equals 'up{server="other"}' 0
gone 2 a/b
[ ! -s "$tmp/metrics" ] || fail "a name that can't be"

# ---- the recipe of the manual ----

# recipe: write $tmp/prom.
sed -n '/^ file=/,/^$/p' "$srcdir/man/nbdzram-metrics.pod" |
    sed "s|^ file=.*|file=$tmp/prom|" >"$tmp/recipe"
[ "$(wc -l <"$tmp/recipe")" = 3 ] || fail "$(cat "$tmp/recipe")"
recipe ()
{
    nbdzram () { "$nbdzram" "$@"; }
    # As cron runs it.
    (set +e; . "$tmp/recipe") 2>"$tmp/error"
}
recipe
grep -q '^nbdzram_up{server="zram0"} 1$' "$tmp/prom"
cp "$tmp/prom" "$tmp/before"
# The disk is full, but for a block.
(trap '' XFSZ; ulimit -f 1; recipe || :)
cmp "$tmp/prom" "$tmp/before" || fail "the old file is gone"
rm -f "$XDG_RUNTIME_DIR/nbdzram/b.2.ctl"
stop_nbdkit "$zram" KILL
recipe
grep -q '^nbdzram_up{server="zram0"} 0$' "$tmp/prom" ||
    fail "$(cat "$tmp/prom")"
! grep -q '^nbdzram_data' "$tmp/prom" || fail "of a server that is gone"
rm -f "$XDG_RUNTIME_DIR"/nbdzram/*
recipe
grep -q '^# TYPE nbdzram_up' "$tmp/prom" || fail "$(cat "$tmp/prom")"
