#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Swap on a mirror of two servers, while memory is in use.  One is killed
# with all that it has, and comes back empty; then the other one stands
# still, and goes on with what it had.  No byte is wrong, no request fails,
# each is in sync again without being told, and the longest stall is printed.
# Both are in this machine, which has each page twice: so as much is used as
# it has memory, and not more; half of it is swapped.
. "${srcdir:-.}/tests/vm/host.sh"
boot 3000 480M md
#### guest ####
busy () { sleep "$1"; [ ! -e /tmp/code ] || { cat /tmp/lines; fail "see above"; }; }

start_far 1 450M
start_far 2 450M
nbdzram swapon swap0 --mirror --remote nbd://127.0.0.1:10811 \
    --remote nbd://127.0.0.1:10812 || fail "swapon"
echo 3 >/proc/sys/vm/page-cluster
cat /proc/swaps /proc/mdstat
both || fail "not both: $(degraded)"

mib=$((ram / 1024))
say "$mib MiB are used, of as many"
# As long as it takes.
(n=0
 while [ ! -e /tmp/enough ]; do
     pages $mib workers=2 rounds=0 seconds=60 stalls=2000 \
         seed=$((${seed:-500} + n)) \
         >>/tmp/lines 2>&1 || { echo $? >/tmp/code; break; }
     n=$((n + 1))
 done) &
busy 12

say "the first half dies"
signal_far 1 KILL
eventually alone || fail "it is not given up: $(cat /proc/mdstat)"
say "it is given up"
[ "$(nbdzram status --noheadings --raw --output NAME,HALVES swap0)" = \
    "swap0 1/2" ] || fail "$(nbdzram status --json swap0)"
busy 5
start_far 1 450M
say "it is back, and empty"
eventually both || fail "it is not filled: $(cat /proc/mdstat)"
say "it is in sync"
busy 5

say "the second half stands still"
signal_far 2 STOP
eventually alone || fail "it is not given up: $(cat /proc/mdstat)"
say "it is given up"
busy 5
signal_far 2 CONT
say "it goes on"
eventually both || fail "it is not brought up to date: $(cat /proc/mdstat)"
say "it is in sync"

touch /tmp/enough
wait
cat /tmp/lines
[ ! -e /tmp/code ] || fail "see above"
longest=$(sed -n 's/.*longest_ms=\([0-9]*\).*/\1/p' /tmp/lines | sort -n |
    tail -n 1)
dmesg | grep -e 'is given up' -e 'Disk failure' -e 'recovery'
say "the longest stall: $longest ms"
[ "$longest" -lt 120000 ] || fail "it is too long"
nbdzram swapoff swap0 || fail "swapoff"
nbdzram stop far1 && nbdzram stop far2 || fail "stop"
eventually nothing_left || { ps; fail "left over"; }
array_is_well
