#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pool that is full (mem-limit): pages stay in memory, a control group
# that needs more than there is loses its process, as without swap, and
# nobody else; then the same with a second swap.
. "${srcdir:-.}/tests/vm/host.sh"
boot 240 400M
#### guest ####
modprobe lz4
modprobe zram
group=/sys/fs/cgroup/test
mkdir $group
echo 60M >$group/memory.max
swap_on 600M mem-limit=24M policy=off
inside () { (echo 0 >$group/cgroup.procs; exec pages "$@" 2>&1); }

say "what fits"
inside 90 rounds=1 || fail "it does not fit"
say "more than fits"
inside 300 rounds=1 seconds=10
code=$?
say "it ended with $code"
nbdzram status swap0
# Is there a reason for people?
dmesg | grep -i 'nbd.*full' || fail "nobody says that the pool is full"
[ "$code" = 0 ] || dmesg | grep -q 'Memory cgroup out of memory' ||
    fail "it was not for want of memory"
say "what fits, again"
inside 90 rounds=1 || fail "it does not fit any more"

say "with a second swap"
echo lz4 >/sys/block/zram0/comp_algorithm
echo 400M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null
swapon -p 1 /dev/zram0 || fail "swapon"
inside 300 rounds=1 seconds=10
say "it ended with $?"
cat /proc/swaps
inside 90 rounds=1 || fail "it does not fit any more"
swapoff /dev/zram0 || fail "swapoff"
swap_off
# Write errors are what this is about.
dmesg | grep -i -e 'hung task' -e 'blocked for more' -e 'BUG:' \
    -e 'Read-error' && fail "see above"
true
