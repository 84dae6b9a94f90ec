#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What root serves outlives the session that it was started in, and is found
# by services and by other sessions: it is in /run/nbdzram.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 socat
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "nbdkit and a sanitizer: not reliable"
export NBDZRAMD=$nbdzramd
private_mounts
# Nothing here is the system's.
mount -t tmpfs nbdzram-test /run || skip "can't mount a tmpfs"
mkdir -p /run/user/0

export XDG_RUNTIME_DIR=/run/user/0
start_nbdkit a zram 1M name=a
[ -S /run/nbdzram/a.ctl ] || fail "$(find /run -name '*.ctl')"
for dir in /run/user/0 /run/user/1000 /none relative; do
    [ "$(XDG_RUNTIME_DIR=$dir nbdzram status -n --raw -o NAME)" = a ] ||
        fail "not found with $dir"
done
stop_nbdkit "$pid"

"$nbdzram" serve b --size=1M >"$tmp/b.log" 2>&1 &
pid=$!
servers+=("$pid")
eventually test -S /run/nbdzram/b.sup || fail "$(cat "$tmp/b.log")"
(unset XDG_RUNTIME_DIR
 "$nbdzram" stop b) || fail "not found without a session"
wait "$pid" || fail "$(cat "$tmp/b.log")"
[ ! "$(ls -A /run/user/0)" ] || fail "left: $(ls /run/user/0)"

# Any other directory is as it says.
export XDG_RUNTIME_DIR=$tmp/run
start_nbdkit c zram 1M name=c
[ -S "$tmp/run/nbdzram/c.ctl" ] || fail "$(find /run "$tmp" -name '*.ctl')"

# Another one of the same name, in another directory.
start_nbdkit other zram 2M name=c control=/run/nbdzram/c.ctl
nbdzram metrics >"$tmp/metrics"
python3 "$srcdir/tests/lib/prometheus.py" <"$tmp/metrics" ||
    fail "$(grep _up "$tmp/metrics")"
[ ! "$(cut -d ' ' -f 1 "$tmp/metrics" | grep -v '^#' | sort | uniq -d)" ] ||
    fail "series that are there twice: $(grep up "$tmp/metrics")"
grep -Fqx 'nbdzram_disk_size_bytes{server="c",export=""} 1048576' \
    "$tmp/metrics"
grep -Fqx 'nbdzram_disk_size_bytes{server="c",directory="/run/nbdzram",export=""} 2097152' \
    "$tmp/metrics"
[ "$(nbdzram metrics c | grep -c '^nbdzram_up{.*} 1$')" = 2 ]
[ "$(nbdzram status --raw -n -o CONTROL c)" = \
    "/run/nbdzram/c.ctl
$tmp/run/nbdzram/c.ctl" ] || fail "$(nbdzram status -o CONTROL c)"
both="--control=/run/nbdzram/c.ctl --control=$tmp/run/nbdzram/c.ctl"
for verb in compact reset pages 'set policy=on' 'export list' 'top -b -n 1'; do
    exits 2 "which server? $both" $verb c
done
exits 2 "which server? $both" compact
nbdzram compact --control=/run/nbdzram/c.ctl
# The same directory by another way of writing it is no other one.
stop_nbdkit "$pid"
mkdir /run/x
ln -s /run /run/x/run
start_nbdkit d zram 1M name=d control=/run/nbdzram/d.ctl
[ "$(XDG_RUNTIME_DIR=/run/x/run nbdzram status -n --raw -o NAME)" = d ] ||
    fail "one server is there twice"
