#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What root serves outlives the session that it was started in, and is found
# by services and by other sessions: it is in /run/nbdzram.
. "${srcdir:-.}/tests/functions.sh"

requires socat
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "nbdkit and a sanitizer: not reliable"
export NBDZRAM_PLUGIN=$plugin
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

"$bin/../server/nbdzram" serve b --size=1M >"$tmp/b.log" 2>&1 &
pid=$!
servers+=("$pid")
eventually test -S /run/nbdzram/b.sup || fail "$(cat "$tmp/b.log")"
(unset XDG_RUNTIME_DIR
 "$bin/../server/nbdzram" stop b) || fail "not found without a session"
wait "$pid" || fail "$(cat "$tmp/b.log")"
[ ! "$(ls -A /run/user/0)" ] || fail "left: $(ls /run/user/0)"

# Any other directory is as it says.
export XDG_RUNTIME_DIR=$tmp/run
start_nbdkit c zram 1M name=c
[ -S "$tmp/run/nbdzram/c.ctl" ] || fail "$(find /run "$tmp" -name '*.ctl')"
