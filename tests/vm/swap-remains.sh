#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All processes are killed at each step of swapon and of swapoff.  Whichever
# of the two is run then, there is swap that works, or nothing: no swap, no
# device, no process, no file, and the kernel's settings are what they were.
# Where swapped pages are lost with the processes, swapon says so, and
# swapoff ends that swap.
. "${srcdir:-.}/tests/vm/host.sh"
boot 900 256M
#### guest ####
run=/run/nbdzram
settings ()
{
    local key
    for key in page-cluster swappiness min_free_kbytes; do
        echo $key "$(cat /proc/sys/vm/$key)"
    done
}
settings >/tmp/before

# The supervisor would start others again, so more than once.  A process that
# waits for the device ends when that is disconnected.
kill_all ()
{
    local i
    for i in 1 2 3 4; do
        # shellcheck disable=SC2046
        kill -9 $(pidof nbdzramd nbdzram) 2>/dev/null
    done
}

# killed_at PATTERN COMMAND...: all is killed when the command prints it.
killed_at ()
{
    local pattern=$1
    shift
    "$@" >/tmp/killed 2>&1 &
    until grep -q "$pattern" /tmp/killed; do
        kill -0 $! 2>/dev/null || {
            grep -q "$pattern" /tmp/killed ||
                fail "no $pattern: $(cat /tmp/killed)"
        }
    done
    kill_all
}

# killed_after SECONDS COMMAND...
killed_after ()
{
    local seconds=$1
    shift
    "$@" >/dev/null 2>&1 &
    sleep "$seconds"
    kill_all
}

is_in_use () { grep -q ^/dev/nbd /proc/swaps; }

nothing_is_there ()
{
    eventually nothing_left || fail "left: $(ps)"
    ! is_in_use || fail "$(cat /proc/swaps)"
    ! cat /sys/block/nbd*/pid 2>/dev/null || fail "a device is attached"
    [ ! "$(ls $run 2>/dev/null)" ] || fail "left: $(ls $run)"
    settings | diff /tmp/before - || fail "settings are not what they were"
}

on () { nbdzram swapon swap0 --size 64M; }
off () { nbdzram swapoff swap0; }

try_off ()
{
    local code=0
    off >/tmp/out 2>&1 || code=$?
    [ $code = 0 ] || grep -q 'there is no such swap' /tmp/out ||
        fail "swapoff: $(cat /tmp/out)"
    nothing_is_there
}

try_on ()
{
    on >/tmp/out 2>&1 || fail "swapon: $(cat /tmp/out; ls $run)"
    is_in_use || fail "no swap: $(cat /tmp/out)"
    nbdzram check swap0 >/tmp/out || fail "check: $(cat /tmp/out)"
    dd if=/dev/nbd0 of=/dev/null bs=1M count=4 2>/dev/null ||
        fail "it can't be read"
    try_off
}

# With runs=2, each is run after each.
n=0 next=try_off
kill_in ()
{
    local verb=$1 how=$2 at=$3 i=0
    while [ $i -lt "${runs:-1}" ]; do
        case $next in try_on) next=try_off ;; *) next=try_on ;; esac
        if [ "$verb" = off ]; then on >/tmp/out || fail "swapon"; fi
        $how "$at" "$verb"
        say "$verb killed at $at: $(echo $(ls $run 2>/dev/null)): $next"
        $next
        n=$((n + 1)) i=$((i + 1))
    done
}

# With all=1, at more steps.
for at in ${all:+started} attached vm.swappiness ${all:+vm.min_free} \
        'swap active'; do
    kill_in on killed_at "$at"
done
for seconds in ${all:+0.1} 0.4 ${all:+0.8}; do
    kill_in on killed_after $seconds
done
kill_in off killed_at 'are back'
for seconds in ${all:+0.1} 0.2 ${all:+0.3 0.4}; do
    kill_in off killed_after $seconds
done

say "something is swapped"
mkdir /sys/fs/cgroup/hold
swapped ()
{
    on >/dev/null || fail "swapon"
    echo 16M >/sys/fs/cgroup/hold/memory.max
    (echo 0 >/sys/fs/cgroup/hold/cgroup.procs
     exec pages 32 workers=1 rounds=0 hold=1) >/dev/null 2>&1 &
    stands () { grep -q '^State:.*stopped' /proc/[0-9]*/status; }
    eventually stands || fail "nothing is swapped"
    kill_all
    echo max >/sys/fs/cgroup/hold/memory.max
}
swapped
cp $run/swap0.conf /tmp/conf
on >/tmp/out 2>&1 && fail "swapon, with lost pages"
grep -q 'lost' /tmp/out || fail "$(cat /tmp/out)"
cmp /tmp/conf $run/swap0.conf || fail "swapon has changed the settings"
off >/tmp/out 2>&1 || fail "swapoff: $(cat /tmp/out)"
grep -q 'lost' /tmp/out || fail "$(cat /tmp/out)"
nothing_is_there
# shellcheck disable=SC2046
kill -CONT $(pidof pages)
wait $! && fail "it went on without its pages"
swapped
try_off
# shellcheck disable=SC2046
kill -9 $(pidof pages)
try_on
say "$n kills"
kernel_is_well 'nbd\|swap'
