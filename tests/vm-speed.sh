#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The same memory of a control group swapped to ours, to nbdkit's memory
# plugin with the same protection, and to the kernel's zram: pages a second,
# and the memory that each takes, everything counted.  Prints ratios; fails
# only where a byte is wrong.
. "${srcdir:-.}/tests/vm/host.sh"
boot 400 900M
#### guest ####
modprobe nbd
modprobe lz4
modprobe zram
echo 3 >/proc/sys/vm/page-cluster
group=/sys/fs/cgroup/test
mkdir $group
footprint=300

free_now ()
{
    sync
    echo 3 >/proc/sys/vm/drop_caches
    echo 1 >/proc/sys/vm/compact_memory
    meminfo MemFree
}

# measure NAME DEVICE: swap on DEVICE, its pages a second and its memory.
measure ()
{
    local before start now swapped seconds job
    mkswap $2 >/dev/null && swapon -d $2 || fail "$1: swapon"
    echo 40M >$group/memory.max
    swapped=$(($(vmstat_of pswpin) + $(vmstat_of pswpout)))
    start=$(cut -d' ' -f1 /proc/uptime)
    (echo 0 >$group/cgroup.procs; exec pages $footprint rounds=0 hold=1 seed=7 \
        >/tmp/line 2>&1) &
    job=$!
    all_filled () { [ "$(grep -l '^State:.*stopped' /proc/[0-9]*/status |
                          wc -l)" = 2 ]; }
    eventually 100 all_filled || fail "$1: not filled"
    eval "$1_held=$(($free_before - $(free_now) -
                    $(cat $group/memory.current) / 1024))"
    eval "$1_swapped=$(awk '$1 == "'"'"$2"'"'" { print $4 }' /proc/swaps)"
    killall -CONT pages
    wait $job || { cat /tmp/line; fail "$1"; }
    now=$(cut -d' ' -f1 /proc/uptime)
    swapped=$(($(vmstat_of pswpin) + $(vmstat_of pswpout) - swapped))
    fill=$(field "$(cat /tmp/line)" fill_ms)
    verify=$(field "$(cat /tmp/line)" rounds_ms)
    eval "$1_rate=$((swapped * 1000 / ((fill + verify) / 2)))"
    eval say "$1: \$$1_rate pages a second, \$$1_swapped KiB in \$$1_held"
    swapoff $2 || fail "$1: swapoff"
}

attach ()
{
    eventually 10 test -S /run/nbd.sock || fail "no server"
    nbd-client -unix /run/nbd.sock $1 -connections 2 >/dev/null || fail attach
    eventually 5 test -s /sys/block/${1#/dev/}/pid || fail "not attached"
}

for round in $(seq ${runs:-1}); do
    free_before=$(free_now)
    swap_on 500M algorithm=lz4 policy=off
    device=$(awk '/nbd/ { print $1 }' /proc/swaps)
    swapoff $device
    measure ours$round $device
    swapon $device
    swap_off
    eventually 10 nothing_left

    LD_PRELOAD=/lib/nbdzram/harden.so nbdkit -U /run/nbd.sock -t 8 memory 500M
    attach /dev/nbd5
    measure memory$round /dev/nbd5
    nbd-client -d /dev/nbd5 >/dev/null
    killall nbdkit
    eventually 10 nothing_left
    rm -f /run/nbd.sock

    free_before=$(free_now)
    echo lz4 >/sys/block/zram0/comp_algorithm
    echo 500M >/sys/block/zram0/disksize
    measure zram$round /dev/zram0
    echo 1 >/sys/block/zram0/reset
done

for round in $(seq ${runs:-1}); do
    eval "say pages a second, by memory's: $((ours${round}_rate * 100 / memory${round}_rate)) %"
    eval "say ... by zram's: $((ours${round}_rate * 100 / zram${round}_rate)) %"
    eval "say memory for a page swapped, by zram's: $((
        ours${round}_held * (zram${round}_swapped / 100) /
        (zram${round}_held * (ours${round}_swapped / 100) / 100))) %"
done
kernel_is_well
