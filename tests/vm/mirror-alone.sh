#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Swap on a mirror that begins while one of its two servers is away, the one
# that is named first.  When that comes, it is filled without anybody being
# told; then the other one dies, and every byte is right.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 480M md
#### guest ####
group=/sys/fs/cgroup/test
mkdir $group
echo 20M >$group/memory.max
mirror="--mirror --remote nbd://127.0.0.1:10811 --remote nbd://127.0.0.1:10812"
halves () { nbdzram status --noheadings --raw --output NAME,HALVES swap0; }

refused ()
{
    # shellcheck disable=SC2086
    nbdzram swapon swap0 $mirror "$@" >/tmp/log 2>&1 &&
        fail "not refused: $(cat /tmp/log)"
    grep -q 'refused' /tmp/log || fail "why: $(cat /tmp/log)"
    eventually nothing_of_it || { ps; fail "left over"; }
}
nothing_of_it () { [ ! "$(pid_of ' swap0')" ] && [ ! -e /run/nbdzram/swap0.sup ]; }

# on WHAT: and say what was done to the array.
on ()
{
    # shellcheck disable=SC2086
    nbdzram swapon swap0 $mirror >/tmp/log 2>&1 ||
        { cat /tmp/log; fail "swapon"; }
    echo 3 >/proc/sys/vm/page-cluster
    cat /tmp/log
    grep -q "^$1 /dev/md[0-9]*, a mirror of 2" /tmp/log || fail "not $1"
    grep -q ':10811: .*the mirror begins without it' /tmp/log ||
        fail "it does not say so"
    [ "$(halves)" = 'swap0 1/2' ] || fail "$(halves)"
    grep -q '^/dev/md' /proc/swaps || fail "$(cat /proc/swaps)"
}

say "none is there"
refused
start_far 2 160M
say "one is, but the other one may have newer data"
refused --attach-only

say "one is"
on made
nbdzram swapoff swap0 >/tmp/log 2>&1 || { cat /tmp/log; fail "swapoff"; }
eventually nothing_of_it || { ps; fail "left over"; }
say "once more"
on assembled
(echo 0 >$group/cgroup.procs
 exec pages 60 workers=1 rounds=0 hold=1 seed=3 >/tmp/line 2>&1) &
user=$!
is_full () { grep -l '^State:.*stopped' /proc/[0-9]*/status >/dev/null; }
eventually is_full || fail "$(cat /tmp/line)"
say "swapped: $(awk '/^.dev.md/ { print $4 }' /proc/swaps) KiB"

say "swapon finds all done, and lets who waits wait"
watcher=$(pid_of ' watch swap0 ')
# shellcheck disable=SC2086
nbdzram swapon swap0 $mirror >/tmp/log 2>&1 || { cat /tmp/log; fail "again"; }
[ "$(pid_of ' watch swap0 ')" = "$watcher" ] || fail "another one waits"
say "the watcher of the other one is killed, and it comes"
kill -9 "$watcher" || fail "nobody waits for it"
start_far 1 160M
eventually both || { nbdzram status; ps; fail "it does not come: $(cat /proc/mdstat)"; }
[ "$(halves)" = 'swap0 2/2' ] || fail "$(halves)"
say "it is in sync"

signal_far 2 KILL
eventually alone || fail "it is not given up: $(cat /proc/mdstat)"
say "the first one is dead"
killall -CONT pages
wait $user || fail "$(cat /tmp/line)"
say "$(cat /tmp/line)"

nbdzram swapoff swap0 >/tmp/log 2>&1 || { cat /tmp/log; fail "swapoff"; }
eventually nothing_of_it || { ps; fail "left over"; }
nbdzram stop far1 || fail "stop"
eventually nothing_left || { ps; fail "left over"; }
array_is_well
