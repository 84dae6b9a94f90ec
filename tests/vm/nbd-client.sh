#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbd-client, with four connections: a disk, then swap for a control group,
# without any help of the command nbdzram.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 320M
#### guest ####
modprobe nbd
LD_PRELOAD=/lib/nbdzram/harden.so nbdkit -U /run/nbd.sock \
    "$NBDZRAM_PLUGIN" size=400M
eventually test -S /run/nbd.sock || fail "no server"
nbd-client -unix /run/nbd.sock /dev/nbd0 -connections 4 -timeout 5 >/dev/null ||
    fail "nbd-client"
eventually test -s /sys/block/nbd0/pid || fail "not attached"
[ "$(blockdev --getsize64 /dev/nbd0)" = $((400 << 20)) ] || fail "the size"
[ "$(cat /sys/block/nbd0/queue/rotational)" = 0 ] || fail "rotational"

say "a disk"
dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
dd if=/tmp/data of=/dev/nbd0 bs=64k seek=33 oflag=direct 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/nbd0 bs=64k skip=33 count=128 2>/dev/null | cmp - /tmp/data ||
    fail "what was written differs"
blkdiscard /dev/nbd0 || fail "blkdiscard"
[ "$(dd if=/dev/nbd0 bs=1M count=20 2>/dev/null | tr -d '\0' | wc -c)" = 0 ] ||
    fail "trimmed pages are not zero"
rm /tmp/data

say "swap"
echo 3 >/proc/sys/vm/page-cluster
mkswap /dev/nbd0 >/dev/null && swapon -d /dev/nbd0 || fail "swapon"
mkdir /sys/fs/cgroup/test
echo 80M >/sys/fs/cgroup/test/memory.max
line=$(echo 0 >/sys/fs/cgroup/test/cgroup.procs && pages 160 workers=2 rounds=0) ||
    fail "$line"
say "$line"
[ "$(vmstat_of pswpout)" -gt 15000 ] || fail "little was swapped"
swapoff /dev/nbd0 || fail "swapoff"
nbd-client -d /dev/nbd0 >/dev/null
eventually test ! -e /sys/block/nbd0/pid || fail "still attached"
kernel_is_well
