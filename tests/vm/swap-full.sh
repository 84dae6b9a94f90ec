#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pool that is full (mem-limit), without and with a second swap: pages
# stay in memory, and what asks for more than there is stands still, as with
# any swap that fails writes.  But the machine goes on, its server says why, no
# byte is wrong, and once that is gone all is as before.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 400M
#### guest ####
modprobe lz4
modprobe zram
group=/sys/fs/cgroup/test
mkdir $group
echo 60M >$group/memory.max
swap_on 600M areas=1 mem-limit=24M policy=off
inside () { (echo 0 >$group/cgroup.procs; exec pages "$@" 2>&1); }

# What fits does; what does not is watched for a while, and ended.
try_both ()
{
    inside 80 rounds=0 || fail "it does not fit"
    inside 300 rounds=1 seconds=60 >/tmp/more &
    more=$!
    sleep 10
    # A machine that hangs would not get here.
    [ "$(dd if=/dev/urandom bs=1M count=4 2>/dev/null | wc -c)" = 4194304 ] ||
        fail "the machine does nothing any more"
    nbdzram status swap0 || fail "the server does not answer"
    cat /proc/swaps
    cat /tmp/more
    killall -9 pages 2>/dev/null
    wait $more
    grep -q 'page .* word' /tmp/more && fail "a byte is wrong"
    inside 80 rounds=0 || fail "it does not fit any more"
}

# The kernel says so much that its memory of it is soon too short.
awk '/is full/ { print; fflush () }' /dev/kmsg >/tmp/kmsg &
words=$!
say "the only swap"
try_both
kill $words
grep -i -m 3 'the pool is full' /tmp/kmsg ||
    fail "nobody says that the pool is full"
[ "$(nbdzram status --noheadings -o ERRORS swap0 | tr -d ' ')" != 0 ] ||
    fail "it was not full"

say "with a second swap"
echo lz4 >/sys/block/zram0/comp_algorithm
echo 400M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null
/bin/swapon -p 1 /dev/zram0 || fail "swapon"
try_both
swapoff /dev/zram0 || fail "swapoff"
swap_off
# Write errors are what this is about.
dmesg | grep -i -e 'hung task' -e 'blocked for more' -e 'BUG:' \
    -e 'Read-error' && fail "see above"
true
