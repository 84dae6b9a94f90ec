#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram metrics: supervisors, attachments and hardening; servers that don't
# answer; and the manual has each metric.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 flock
run=$XDG_RUNTIME_DIR/nbdzram
export NBDZRAM_ROOT=$tmp/root
sys=$NBDZRAM_ROOT/sys/block
mkdir -p "$run" "$NBDZRAM_ROOT/proc"

# metrics CODE ARGS...: the page is in $tmp/metrics.
metrics ()
{
    local code=0 wanted=$1
    shift
    nbdzram metrics "$@" >"$tmp/metrics" 2>"$tmp/error" || code=$?
    [ $code = "$wanted" ] || fail "metrics $*: $code: $(cat "$tmp/error")"
    python3 "$srcdir/tests/lib/prometheus.py" <"$tmp/metrics" ||
        fail "metrics $*"
}

# has SAMPLE...: each line is in the page, after "nbdzram_".
has ()
{
    local sample
    for sample; do
        grep -qxF "nbdzram_$sample" "$tmp/metrics" ||
            fail "no $sample: $(grep -F "${sample%%\{*}" "$tmp/metrics")"
    done
}

# play FILE VERB REPLY: a socket that replies to VERB.
play ()
{
    mkdir "$tmp/$1"
    echo "$3" >"$tmp/$1/$2"
    python3 "$srcdir/tests/fake/control.py" "$run/$1" "$tmp/$1" \
        2>"$tmp/$1.log" &
    servers+=("$!")
    eventually [ -S "$run/$1" ] || fail "$1 is not played"
}

# ---- a server, and its hardening ----

start_nbdkit zram zram 64M name=plain
metrics 0
has 'up{server="plain"} 1' 'memory_locked{server="plain"} 0' \
    'real_time_priority{server="plain"} 0' 'io_flusher{server="plain"} 0' \
    'reserve_misses_total{server="plain"} 0'
grep -q '^nbdzram_build_info{version="[0-9.]*"} 1$' "$tmp/metrics"
grep -q '^nbdzram_info{server="plain",version="[0-9.]*",algorithm="lz4"} 1$' \
    "$tmp/metrics"
! grep -q '^nbdzram_backing_state{' "$tmp/metrics" || fail "no backing file"

# The same of one that is hardened, and whose backing file is full.
play hard.ctl metrics '{"ok": true, "name": "hard", "version": "9.8",
    "algorithm": "zstd", "backing": "full",
    "hardening": {"mlock": true, "locked": 123, "io_flusher": true,
        "scheduling": "fifo 2", "oom_score_adj": -1000, "reserve":
        {"size": 9, "now": 8, "low": 7, "refills": 6, "misses": 5}}}'
metrics 0
has 'memory_locked{server="hard"} 1' 'memory_locked_bytes{server="hard"} 123' \
    'io_flusher{server="hard"} 1' 'real_time_priority{server="hard"} 2' \
    'oom_score_adj{server="hard"} -1000' \
    'reserve_size_bytes{server="hard"} 9' 'reserve_bytes{server="hard"} 8' \
    'reserve_lowest_bytes{server="hard"} 7' \
    'reserve_refills_total{server="hard"} 6' \
    'reserve_misses_total{server="hard"} 5' \
    'backing_state{server="hard",state="full"} 1' \
    'backing_state{server="hard",state="ok"} 0' \
    'info{server="hard",version="9.8",algorithm="zstd"} 1'

# ---- supervisors ----

# With all that swap has.
play hard.sup status '{"ok": true, "name": "hard", "version": "9.9",
    "state": "running", "server": {"pid": 1, "ready": true},
    "standby": {"pid": 2, "waiting": true}, "holder": {"pid": 3},
    "restarts": 4, "pool": "memfd", "swap": true,
    "watchers": [{"name": "hard", "pid": 5}, {"name": "hard.1", "pid": 6}]}'
metrics 0
has 'supervisor_up{server="hard"} 1' \
    'supervisor_info{server="hard",version="9.9"} 1' \
    'supervisor_state{server="hard",state="running"} 1' \
    'supervisor_state{server="hard",state="failing"} 0' \
    'server_restarts_total{server="hard"} 4' 'server_ready{server="hard"} 1' \
    'standby_ready{server="hard"} 1' 'lock_keeper_up{server="hard"} 1' \
    'supervisor_watchers{server="hard"} 2'

# One whose server ends again and again: there is no socket to be asked.
play sick.sup status '{"ok": true, "name": "sick", "version": "1",
    "state": "failing", "server": null, "standby": null, "holder": null,
    "restarts": 99, "pool": "memfd", "swap": false, "watchers": []}'
metrics 3
has 'up{server="sick"} 0' 'supervisor_up{server="sick"} 1' \
    'supervisor_state{server="sick",state="failing"} 1' \
    'server_ready{server="sick"} 0'
grep -qx 'nbdzram: sick: its supervisor has no server now' "$tmp/error" ||
    fail "$(cat "$tmp/error")"
! grep -q '^nbdzram_standby_ready{server="sick"' "$tmp/metrics" ||
    fail "a standby, but no swap"
metrics 3 sick
[ "$(grep -c '^nbdzram_up' "$tmp/metrics")" = 1 ] || fail "others than sick"

# One that only watches a device, and one that was killed.
play far.sup status '{"ok": true, "name": "far", "version": "1",
    "state": "running", "server": null, "standby": null, "holder": null,
    "restarts": 0, "pool": null, "swap": true,
    "watchers": [{"name": "far", "pid": 5}]}'
play gone.sup status '{}'
stop_nbdkit "${servers[-1]}" KILL
metrics 3
has 'supervisor_up{server="far"} 1' 'supervisor_watchers{server="far"} 1' \
    'supervisor_up{server="gone"} 0'
! grep -q '^nbdzram_\(up\|server_ready\|standby_ready\){server="far"' \
    "$tmp/metrics" || fail "far has no server"
metrics 0 far

# ---- attachments ----

# half NAME INDEX: attach a member of a mirror to a server far away.
half ()
{
    mkdir -p "$sys/nbd$2/holders/md7" "$sys/md7/md/dev-nbd$2" \
        "$sys/md7/slaves/nbd$2"
    echo 1 >"$sys/nbd$2/pid"
    echo "nbdzram:$1" >"$sys/nbd$2/backend"
    echo in_sync,failfast >"$sys/md7/md/dev-nbd$2/state"
    echo "{\"device\":\"/dev/nbd$2\",\"index\":$2,\"uri\":\"nbd://$1\",
        \"size\":4096,\"connections\":3,\"identifier\":\"nbdzram:$1\",
        \"reconnects\":2}" >"$run/$1.attach"
}

half far 0
half far.1 3
echo raid1 >"$sys/md7/md/level"
echo 2 >"$sys/md7/md/raid_disks"
printf 'Filename Type Size Used Priority\n/dev/md7 partition 1024 2 100\n' \
    >"$NBDZRAM_ROOT/proc/swaps"

# The first has a watcher, and two threads that read replies.
exec 7<"$run/far.attach"
flock 7
for thread in 11 12; do
    mkdir "$NBDZRAM_ROOT/proc/$thread"
    echo "kworker/u8:$thread+nbd0-recv" >"$NBDZRAM_ROOT/proc/$thread/comm"
done
metrics 0 far
device='server="far",device="/dev/nbd0"'
has "device_info{$device,uri=\"nbd://far\",array=\"/dev/md7\"} 1" \
    "device_size_bytes{$device} 4096" "device_connections{$device} 3" \
    "device_connections_alive{$device} 2" \
    "device_reconnects_total{$device} 2" "watcher_up{$device} 1" \
    "device_swap_size_bytes{$device} 1048576" \
    "device_swap_used_bytes{$device} 2048" "array_members{$device} 2" \
    "array_members_in_sync{$device} 2" \
    'watcher_up{server="far",device="/dev/nbd3"} 0'
! grep -q '^nbdzram_device_swap_.*nbd3' "$tmp/metrics" ||
    fail "one swap is there twice"
flock -u 7
metrics 0 far
has "watcher_up{$device} 0"

# Without a supervisor, and those of a server that does not answer.
half plain 5
stop_nbdkit "$(cat "$tmp/zram.pid")" KILL
rm "$run/far.sup"
metrics 0 far
has "watcher_up{$device} 0"
metrics 3 plain
has 'up{server="plain"} 0' \
    'device_reconnects_total{server="plain",device="/dev/nbd5"} 2'

# ---- servers that are asked, and say nothing ----

# So many that asking one after the other would take minutes.
python3 - "$run" <<'END' &
import os
import signal
import socket
import sys

sockets = []
for i in range (30):
    for name in f"{sys.argv[1]}/mute{i}.ctl", f"{sys.argv[1]}/mute{i}.sup":
        s = socket.socket (socket.AF_UNIX)
        s.bind (name + ".new")
        s.listen (0 if i % 2 else 9)
        os.rename (name + ".new", name)
        sockets.append (s)
        # A socket whose queue is full takes no further client.
        while i % 2:
            c = socket.socket (socket.AF_UNIX)
            c.setblocking (False)
            sockets.append (c)
            try:
                c.connect (name)
            except BlockingIOError:
                break
signal.pause ()
END
servers+=("$!")
eventually [ -S "$run/mute29.sup" ] || fail "no servers that say nothing"
code=0
timeout 60 "$nbdzram" metrics >"$tmp/metrics" 2>"$tmp/error" || code=$?
[ $code = 3 ] || fail "$code"
has 'up{server="hard"} 1' 'supervisor_up{server="hard"} 1' \
    'oom_score_adj{server="hard"} -1000'
for i in {0..29}; do
    has "up{server=\"mute$i\"} 0" "supervisor_up{server=\"mute$i\"} 0"
done
grep -qx 'nbdzram: mute7: the server does not answer' "$tmp/error" ||
    fail "$(cat "$tmp/error")"

# ---- the manual ----

sed -n 's/^# TYPE \(nbdzram_[a-z_]*\) .*/\1/p' "$tmp/metrics" |
    sort >"$tmp/families"
[ "$(wc -l <"$tmp/families")" -gt 90 ] || fail "$(cat "$tmp/families")"
grep -o 'C<nbdzram_[a-z_]*>' "$srcdir/man/nbdzram-metrics.pod" |
    sed 's/C<\(.*\)>/\1/' | sort -u |
    diff - "$tmp/families" || fail "the manual (<) and the page (>) differ"
