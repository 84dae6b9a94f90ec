#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ext4, xfs and btrfs on /dev/nbdN: made, written to and verified, filled to
# the end, emptied and trimmed, when the memory comes back, and checked.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 1200M fs
#### guest ####
for module in nbd xfs btrfs; do modprobe $module || fail "modprobe $module"; done
mkdir -p /run/nbdzram
nbdkit -U /run/nbd.sock "$NBDZRAM_PLUGIN" size=400M name=disk policy=off
eventually test -S /run/nbd.sock || fail "no server"
nbd-client -unix /run/nbd.sock /dev/nbd0 -connections 2 >/dev/null ||
    fail "nbd-client"
eventually test -s /sys/block/nbd0/pid || fail "not attached"

# Bytes that the server's pages take.
held ()
{
    nbdzram status --bytes --noheadings --output TOTAL disk
}

check ()
{
    case $1 in
        ext4) fsck.ext4 -fn /dev/nbd0 >/tmp/log 2>&1 ;;
        xfs) xfs_repair -n /dev/nbd0 >/tmp/log 2>&1 ;;
        btrfs) btrfs check /dev/nbd0 >/tmp/log 2>&1 ;;
    esac || { cat /tmp/log; fail "$1 is damaged"; }
}

# Less than $full, by what was removed; $trimmed is what is left.
gives_back ()
{
    sync
    fstrim /mnt || fail "fstrim"
    trimmed=$(held)
    [ "$trimmed" -lt $((full - (36 << 20))) ]
}

for fs in ext4 xfs btrfs; do
    say "$fs"
    force=-f
    [ $fs != ext4 ] || force=-F
    mkfs.$fs $force /dev/nbd0 >/tmp/log 2>&1 || { cat /tmp/log; fail "mkfs.$fs"; }
    mount -t $fs /dev/nbd0 /mnt || fail "mount"
    sync
    empty=$(held)

    fio --name=verify --directory=/mnt --size=24M --rw=randwrite --bs=4k-64k \
        --ioengine=psync --direct=1 --verify=crc32c --do_verify=1 \
        --verify_fatal=1 --buffer_compress_percentage=60 --randseed=7 \
        --minimal >/tmp/log 2>&1 || { cat /tmp/log; fail "$fs: fio"; }
    (cd /mnt && md5sum verify.0.0) >/tmp/sums

    # To the end: the file system says so, and nobody else.
    dd if=/dev/zero bs=1M 2>/dev/null | tr '\0' x |
        dd of=/mnt/full bs=1M 2>/tmp/log
    grep -q 'No space left' /tmp/log || { cat /tmp/log; fail "$fs is never full"; }
    sync
    rm /mnt/full
    dd if=/dev/urandom of=/mnt/random bs=1M count=40 2>/dev/null
    sync
    full=$(held)
    [ "$full" -gt $((empty + (40 << 20))) ] || fail "$fs: $empty, then $full"

    # xfs frees what was removed a little later.
    rm /mnt/random
    eventually gives_back || fail "$fs: $full bytes, and $trimmed after fstrim"
    (cd /mnt && md5sum -c /tmp/sums >/dev/null) || fail "$fs: a file differs"
    umount /mnt
    check $fs
    mount -t $fs /dev/nbd0 /mnt || fail "mounted again"
    echo 3 >/proc/sys/vm/drop_caches
    (cd /mnt && md5sum -c /tmp/sums >/dev/null) || fail "$fs: a file differs"
    umount /mnt
    say "$fs: empty $empty, full $full, trimmed $trimmed bytes"
done
nbd-client -d /dev/nbd0 >/dev/null
kernel_is_well
