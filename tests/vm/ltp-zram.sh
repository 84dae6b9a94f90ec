#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The steps of the Linux Test Project's cases zram01 to zram03, for a server
# of ours by nbd: every algorithm, several sizes, a memory limit, file
# systems filled with zeroes and their ratio, swap on all of the disks at
# once, and a disk written over and over and read back.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 640M fs
#### guest ####
modprobe nbd nbds_max=8
mkdir -p /run/nbdzram
number=0
disks=''

# disk ALGORITHM SIZE LIMIT: the next one
disk ()
{
    local name=disk$number device=/dev/nbd$number
    nbdkit -U "/run/$name.sock" "$NBDZRAM_PLUGIN" name=$name algorithm="$1" \
        size="$2" mem-limit="$3"
    eventually test -S "/run/$name.sock" || fail "$1: no server"
    nbd-client -unix "/run/$name.sock" $device -connections 2 >/dev/null ||
        fail "$1: nbd-client"
    eventually test -s /sys/block/nbd$number/pid || fail "$1: not attached"
    [ "$(nbdzram status --noheadings --raw -o ALGORITHM $name)" = "${1%%:*}" ] ||
        fail "$1: $(nbdzram status $name)"
    [ "$(nbdzram status --bytes --noheadings -o DISKSIZE,MEM-LIMIT $name |
         tr -s ' ' | sed 's/^ //')" = \
      "$((${2%M} << 20)) $((${3%M} << 20))" ] || fail "$1: $(
          nbdzram status --bytes --output-all $name)"
    disks="$disks $number"
    number=$((number + 1))
}

column () { nbdzram status --bytes --noheadings -o "$1" disk$2 | tr -d ' '; }

say "zram01: sizes, algorithms, limits"
disk lz4 26M 25M
disk lzo 40M 25M
disk lz4hc 80M 25M
disk zstd:level=3 160M 25M
disk deflate 320M 25M

say "zram01: file systems, filled"
for n in $disks; do
    mkfs.ext4 -F /dev/nbd$n >/tmp/log 2>&1 || { cat /tmp/log; fail mkfs; }
    mkdir -p /mnt/$n
    mount -t ext4 /dev/nbd$n /mnt/$n || fail "mount"
    before=$(df -k /mnt/$n | awk 'END { print $4 }')
    dd if=/dev/zero of=/mnt/$n/zeroes bs=512k 2>/tmp/log
    grep -q 'No space left' /tmp/log || { cat /tmp/log; fail "never full"; }
    sync
    written=$((before - $(df -k /mnt/$n | awk 'END { print $4 }')))
    [ $written -gt $((before * 9 / 10)) ] || fail "only $written KiB of $before"
    # The case asks for more than 1; pages of zeroes take none here, and what
    # is counted are the table and the streams of small disks.
    ratio=$((written * 1024 / $(column TOTAL $n)))
    [ $ratio -ge 8 ] || fail "disk$n: $written KiB in $(column TOTAL $n) bytes"
    say "disk$n: $written KiB of zeroes, $ratio : 1"
    umount /mnt/$n
    blkdiscard /dev/nbd$n || fail "blkdiscard"
    [ "$(column DATA $n)" = 0 ] || fail "disk$n holds $(column DATA $n) bytes"
done

say "zram02: swap"
for n in $disks; do
    mkswap /dev/nbd$n >/dev/null && swapon -d /dev/nbd$n || fail "swapon"
done
[ "$(grep -c /dev/nbd /proc/swaps)" = 5 ] || fail "$(cat /proc/swaps)"
mkdir /sys/fs/cgroup/test
echo 24M >/sys/fs/cgroup/test/memory.max
line=$(echo 0 >/sys/fs/cgroup/test/cgroup.procs && pages 40 rounds=1) ||
    fail "$line"
say "$line"
for n in $disks; do swapoff /dev/nbd$n || fail "swapoff"; done

say "zram03: the whole disk, twice, and read back"
for n in 0; do
    size=$(blockdev --getsize64 /dev/nbd$n)
    for byte in a z; do
        dd if=/dev/zero bs=1M count=$((size >> 20)) 2>/dev/null |
            tr '\0' $byte >/tmp/pattern
        dd if=/tmp/pattern of=/dev/nbd$n bs=1M oflag=direct 2>/dev/null ||
            fail "disk$n: writing"
        echo 3 >/proc/sys/vm/drop_caches
        cmp /tmp/pattern /dev/nbd$n || fail "disk$n differs"
        [ "$(column SAME $n)" -gt $((size / 4096 - 2)) ] ||
            fail "disk$n: $(column SAME $n) same-filled pages"
    done
done
rm /tmp/pattern

say "and away"
for n in $disks; do
    nbd-client -d /dev/nbd$n >/dev/null
    eventually test ! -e /sys/block/nbd$n/pid || fail "nbd$n stays"
    nbdzram reset --yes disk$n || fail "reset"
    [ "$(column DATA $n)" = 0 ] || fail "disk$n was not reset"
done
kernel_is_well
