#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Swap in areas: the kernel sees as much free swap as the pool can hold at
# worst, more comes as pages turn out to compress, and dead pages come back.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 400M
#### guest ####
group=/sys/fs/cgroup/test
mkdir $group
echo 60M >$group/memory.max
inside () { (echo 0 >$group/cgroup.procs; exec pages "$@" 2>&1); }

# MiB of all areas that are on, and of what is used of them.
swap_size () { awk '/^\/dev\/nbd/ { n += $3 } END { print int (n / 1024) }' /proc/swaps; }
swap_used () { awk '/^\/dev\/nbd/ { n += $4 } END { print int (n / 1024) }' /proc/swaps; }

stored () { echo $(($(pool_number orig_data_size) / 1048576)); }

swap_on 600M mem-limit=64M areas=16 policy=off
cat /tmp/swapon.log /proc/swaps
initial=$(areas_on)
[ "$initial" -ge 2 ] || fail "$initial areas at first"
[ "$(swap_size)" -le 64 ] || fail "more than the pool can hold at worst"
[ "$(swap_size)" -ge 54 ] || fail "much less than the pool can hold"

say "what compresses"
inside 220 rounds=1 hold=1 workers=1 >/tmp/pages &
more=$!
filled () { [ "$(swap_used)" -ge 120 ]; }
eventually filled || fail "$(cat /proc/swaps)"
cat /proc/swaps
[ "$(areas_on)" -gt "$initial" ] || fail "no area came"
[ "$(pool_number failed_writes)" = 0 ] || fail "failed writes"
killall -9 pages
wait $more
few_stored () { [ "$(stored)" -le 16 ]; }
eventually few_stored || fail "dead pages stay: $(stored)M"
say "dead pages are gone: $(stored)M stored, $(swap_used)M used"
cat /proc/swaps

say "what does not"
modprobe lz4
modprobe zram
echo lz4 >/sys/block/zram0/comp_algorithm
echo 400M >/sys/block/zram0/disksize
mkswap /dev/zram0 >/dev/null
/bin/swapon -p 1 /dev/zram0 || fail "swapon"
inside 200 rounds=1 workers=2 random=100 || fail "a byte is wrong"
cat /proc/swaps
grep -q '^/dev/zram0.* 0 *1$' /proc/swaps && fail "the second swap was not used"
[ "$(pool_number failed_writes)" = 0 ] || fail "$(pool_number failed_writes) failed writes"
most=$(($(pool_number mem_used_max) / 1048576))
[ $most -ge 57 ] || fail "only ${most}M of the limit were used"

say "the manager is killed"
inside 200 rounds=2 workers=2 >/tmp/pages &
more=$!
for i in 1 2 3 4 5 6; do
    sleep 2
    kill -9 "$(pid_of areas)" 2>/dev/null
done
wait $more || fail "$(cat /tmp/pages)"
[ "$(pool_number failed_writes)" = 0 ] || fail "$(pool_number failed_writes) failed writes"
has_manager () { [ "$(pid_of 'areas swap0')" ]; }
eventually has_manager || fail "no manager"
swapoff /dev/zram0 || fail "swapoff"
swap_off
cat /tmp/swapoff.log
ls /sys/block/nbd0 | grep nbd0p && fail "partitions are left"
kernel_is_well

say "once more, as one area"
swap_on 200M mem-limit=64M areas=1
[ "$(areas_on)" = 1 ] && grep -q '^/dev/nbd0 ' /proc/swaps ||
    fail "$(cat /proc/swaps)"
swap_off
kernel_is_well
