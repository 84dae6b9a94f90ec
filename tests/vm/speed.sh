#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The same memory of a control group swapped to ours, to nbdkit's memory
# plugin with the same protection, and to the kernel's zram: pages a second,
# and the memory that each takes, everything counted.  Prints ratios; fails
# only where a byte is wrong.
. "${srcdir:-.}/tests/vm/host.sh"
# What does not grow with the pool weighs little in a pool of this size.
boot 1500 2400M
#### guest ####
modprobe nbd
modprobe lz4
modprobe zram
echo 3 >/proc/sys/vm/page-cluster
group=/sys/fs/cgroup/test
mkdir $group
: "${mib:=1500}"

free_now ()
{
    sync
    echo 3 >/proc/sys/vm/drop_caches
    echo 1 >/proc/sys/vm/compact_memory
    meminfo MemFree
}

# measure NAME DEVICE: swap on DEVICE; pages a second, KiB swapped, and the
# KiB that they take go to /tmp/NAME.
measure ()
{
    local job swapped held moved fill verify rate
    mkswap $2 >/dev/null && swapon -d $2 || fail "$1: swapon"
    echo 40M >$group/memory.max
    moved=$(($(vmstat_of pswpin) + $(vmstat_of pswpout)))
    (echo 0 >$group/cgroup.procs; exec pages $mib rounds=0 hold=1 seed=7 \
        >/tmp/line 2>&1) &
    job=$!
    all_filled () { [ "$(grep -l '^State:.*stopped' /proc/[0-9]*/status |
                          wc -l)" = 2 ]; }
    eventually all_filled || fail "$1: not filled"
    held=$((free_before - $(free_now) - $(cat $group/memory.current) / 1024))
    swapped=$(awk -v device=$2 '$1 == device { print $4 }' /proc/swaps)
    killall -CONT pages
    wait $job || { cat /tmp/line; fail "$1"; }
    moved=$(($(vmstat_of pswpin) + $(vmstat_of pswpout) - moved))
    fill=$(field "$(cat /tmp/line)" fill_ms)
    verify=$(field "$(cat /tmp/line)" rounds_ms)
    rate=$((moved * 1000 / (fill + verify)))
    echo $rate $swapped $held >/tmp/$1
    say "$1: $rate pages a second, $swapped KiB in $held"
    swapoff $2 || fail "$1: swapoff"
}

attach ()
{
    eventually test -S /run/nbd.sock || fail "no server"
    nbd-client -unix /run/nbd.sock $1 -connections 2 >/dev/null || fail attach
    eventually test -s /sys/block/${1#/dev/}/pid || fail "not attached"
}

for round in $(seq ${runs:-1}); do
    free_before=$(free_now)
    swap_on ${mib}M areas=1 algorithm=lz4 policy=off
    device=$(awk '/nbd/ { print $1 }' /proc/swaps)
    swapoff $device
    measure ours $device
    swapon $device
    swap_off
    eventually nothing_left

    LD_PRELOAD=/lib/nbdzram/harden.so nbdkit -U /run/nbd.sock -t 8 memory ${mib}M
    attach /dev/nbd5
    measure memory /dev/nbd5
    nbd-client -d /dev/nbd5 >/dev/null
    killall nbdkit
    eventually nothing_left
    rm -f /run/nbd.sock

    free_before=$(free_now)
    echo lz4 >/sys/block/zram0/comp_algorithm
    echo ${mib}M >/sys/block/zram0/disksize
    measure zram /dev/zram0
    echo 1 >/sys/block/zram0/reset

    read rate swapped held </tmp/ours
    read memory_rate rest </tmp/memory
    read zram_rate zram_swapped zram_held </tmp/zram
    say "pages a second: $((rate * 100 / memory_rate)) % of memory's," \
        "$((rate * 100 / zram_rate)) % of zram's"
    # In ten thousandths; the products fit 64 bits.
    share=$((held * zram_swapped / swapped * 10000 / zram_held))
    say "memory for the same pages: $((share / 100)).$((share % 100 / 10)) %" \
        "of zram's"
done
kernel_is_well
