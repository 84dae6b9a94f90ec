#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The ways to swap to two servers, against one: areas of the same priority,
# a stripe, a mirror.  Each is attached, used, verified and undone, and what
# it prints is the table in nbdzram-remote(7).  The pages are those of a
# control group with a small limit, so that next to all are swapped, and
# the far ends, which are in this machine, have room.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 640M md
#### guest ####
group=/sys/fs/cgroup/test
mkdir $group
echo 30M >$group/memory.max
: "${mib:=100}"

# way NAME OPTION...
way ()
{
    local name=$1 far moved ms held
    shift
    for far in 1 2; do start_far $far 200M policy=off; done
    nbdzram swapon swap0 "$@" >/tmp/swapon.log 2>&1 || {
        cat /tmp/swapon.log
        fail "$name: swapon"
    }
    echo 3 >/proc/sys/vm/page-cluster
    say "$name: $(grep -c '^/dev/.*[[:blank:]]100$' /proc/swaps) areas"
    cp /proc/swaps /tmp/swaps
    moved=$(($(vmstat_of pswpin) + $(vmstat_of pswpout)))
    (echo 0 >$group/cgroup.procs
     exec pages $mib workers=2 rounds=${rounds:-0} seed=7 >/tmp/line 2>&1) ||
        { cat /tmp/line; fail "$name"; }
    moved=$(($(vmstat_of pswpin) + $(vmstat_of pswpout) - moved))
    ms=$(($(field "$(cat /tmp/line)" fill_ms) +
          $(field "$(cat /tmp/line)" rounds_ms)))
    held=$(for far in 1 2; do
        nbdzram status --noheadings --raw --output MEM-USED far$far
    done | tr '\n' ' ')
    say "$name: $((moved * 1000 / ms)) pages a second; far ends held: $held"
    eval "rate_$name=$((moved * 1000 / ms))"
    nbdzram swapoff swap0 >/tmp/swapoff.log 2>&1 ||
        { cat /tmp/swapoff.log; fail "$name: swapoff"; }
    nbdzram stop far1 && nbdzram stop far2 || fail "stop"
    eventually nothing_left || { ps; fail "left over"; }
    [ ! -e /dev/md127 ] || ! grep -q md127 /proc/mdstat ||
        fail "left: $(cat /proc/mdstat)"
}

one=nbd://127.0.0.1:10811
two="--remote $one --remote nbd://127.0.0.1:10812"
way one --remote $one
# shellcheck disable=SC2086
{
    way areas $two
    [ "$(grep -c '^/dev/nbd' /tmp/swaps)" = 2 ] || fail "$(cat /tmp/swaps)"
    way stripe --stripe $two
    [ "$(grep -c '^/dev/md' /tmp/swaps)" = 1 ] || fail "$(cat /tmp/swaps)"
    size=$(awk '/^.dev/ { print $3 }' /tmp/swaps)
    [ "$size" -gt 360000 ] || fail "a stripe of $size KiB"
    way mirror --mirror $two
    size=$(awk '/^.dev/ { print $3 }' /tmp/swaps)
    [ "$size" -gt 180000 ] && [ "$size" -lt 206000 ] ||
        fail "a mirror of $size KiB"
}
for name in areas stripe mirror; do
    eval "say $name: \$((rate_$name * 100 / rate_one)) % of one server"
done

say "what makes no sense is undone"
start_far 1 300M
start_far 2 300M
nbdzram swapon swap0 --attach-only --remote $one >/tmp/log 2>&1 ||
    { cat /tmp/log; fail "attach"; }
grep -q '^/dev/' /proc/swaps && fail "it is swapped to: $(cat /proc/swaps)"
# A disk has the sectors of images, and so its partitions.
[ "$(cat /sys/block/nbd0/queue/logical_block_size)" = 512 ] ||
    fail "blocks of $(cat /sys/block/nbd0/queue/logical_block_size)"
printf '\000\000\000\000\203\000\000\000\000\010\000\000\000\020\000\000' |
    dd of=/dev/nbd0 bs=1 seek=446 conv=notrunc 2>/dev/null
printf '\125\252' |
    dd of=/dev/nbd0 bs=1 seek=510 conv=notrunc 2>/dev/null
nbdzram swapoff swap0 >/dev/null || fail "detach"
nbdzram swapon swap0 --attach-only --remote $one >/dev/null || fail "attach"
blockdev --rereadpt /dev/nbd0
eventually test -e /sys/block/nbd0/nbd0p1 || fail "no partition"
[ "$(cat /sys/block/nbd0/nbd0p1/start /sys/block/nbd0/nbd0p1/size |
    tr '\n' ' ')" = '2048 4096 ' ] || fail "another partition"
# As mkswap leaves it on a machine with pages of 16K.
dd if=/dev/zero of=/dev/nbd0 bs=4096 count=4 conv=notrunc 2>/dev/null
printf SWAPSPACE2 |
    dd of=/dev/nbd0 bs=1 seek=16374 conv=notrunc 2>/dev/null
nbdzram swapoff swap0 >/dev/null || fail "detach"
nbdzram swapon swap0 --remote $one >/tmp/log 2>&1 && fail "other pages"
grep -q 'is swap for pages of 16K, and' /tmp/log ||
    { cat /tmp/log; fail "see above"; }
nbdzram swapon swap0 --attach-only --remote $one block-size=4K >/dev/null ||
    fail "attach"
[ "$(cat /sys/block/nbd0/queue/logical_block_size)" = 4096 ] || fail "not 4096"
printf 'something' | dd of=/dev/nbd0 bs=9 conv=notrunc 2>/dev/null
nbdzram swapoff swap0 >/dev/null || fail "detach"
# shellcheck disable=SC2086
nbdzram swapon swap0 --mirror $two >/tmp/log 2>&1 && fail "over other data"
cat /tmp/log
grep -q 'holds something' /tmp/log || fail "see above"
[ ! -e /run/nbdzram/swap0.swap ] || fail "left: $(ls /run/nbdzram)"
nbdzram stop far1 && nbdzram stop far2 || fail "stop"
eventually nothing_left || { ps; fail "left over"; }
kernel_is_well
