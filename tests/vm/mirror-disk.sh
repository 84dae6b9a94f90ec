#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An ordinary disk: a file system on a mirror, of which a half is killed
# while it is written to, and its watcher after it, and is filled when it is
# back; then the other one is killed.  Detached and attached again, it is
# found as it was.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 800M fs md
#### guest ####
remotes="--remote nbd://127.0.0.1:10811 --remote nbd://127.0.0.1:10812"

# shellcheck disable=SC2086
attach ()
{
    nbdzram swapon data --attach-only --mirror $remotes >/tmp/log 2>&1 || {
        cat /tmp/log /proc/mdstat
        fail "attach"
    }
    cat /tmp/log
    disk=$(sed -n 's|.* \(/dev/md[0-9]*\), a mirror .*|\1|p' /tmp/log)
    [ -b "$disk" ] || fail "$disk"
}

check ()
{
    fsck.ext4 -fn "$disk" >/tmp/log 2>&1 ||
        { cat /tmp/log; fail "the file system is damaged"; }
}

write_and_verify ()
{
    fio --name=$1 --directory=/mnt --size=24M --rw=randwrite --bs=4k-64k \
        --ioengine=psync --direct=1 --verify=crc32c --do_verify=1 \
        --verify_fatal=1 --buffer_compress_percentage=60 --randseed=7 \
        --minimal >/tmp/fio.log 2>&1 || { cat /tmp/fio.log; fail "fio $1"; }
}

start_far 1 200M
start_far 2 200M
attach
nbdzram swapoff data >/tmp/log 2>&1 || { cat /tmp/log; fail "detach"; }
attach
grep -q '^assembled' /tmp/log || fail "made anew"
[ "$(cat /proc/sys/vm/swappiness)" = 60 ] || fail "settings were changed"
mkfs.ext4 -F "$disk" >/tmp/log 2>&1 || { cat /tmp/log; fail "mkfs"; }
mount -t ext4 "$disk" /mnt || fail "mount"
nbdzram swapoff data >/tmp/log 2>&1 && fail "detached while it is mounted"
cat /tmp/log
write_and_verify first

say "a half dies while it is written to"
(sleep 2; signal_far 1 KILL) &
write_and_verify second
wait
eventually alone || fail "it is not given up: $(cat /proc/mdstat)"
(cd /mnt && md5sum first.0.0 second.0.0) >/tmp/sums
pid=$(pid_of ' watch data ')
kill -9 "$pid" || fail "no watcher"
another () { [ "$(pid_of ' watch data ')" ] && [ "$(pid_of ' watch data ')" != "$pid" ]; }
eventually another || fail "no other watcher"
say "it comes back, empty"
start_far 1 200M
eventually both || fail "it is not filled: $(cat /proc/mdstat)"

say "the other one dies, and nobody is asked before the next request"
signal_far 2 KILL
eventually alone || fail "it is not given up: $(cat /proc/mdstat)"
echo 3 >/proc/sys/vm/drop_caches
(cd /mnt && md5sum -c /tmp/sums >/dev/null) || fail "a file differs"
write_and_verify third
rm /mnt/third.0.0
fstrim /mnt || fail "fstrim"
start_far 2 200M
eventually both || fail "it is not filled: $(cat /proc/mdstat)"
umount /mnt
check

say "it is detached, and attached again"
nbdzram swapoff data >/tmp/log 2>&1 || { cat /tmp/log; fail "detach"; }
attach
grep -q '^assembled' /tmp/log || fail "made anew"
both || fail "not both: $(cat /proc/mdstat)"
check
mount -t ext4 "$disk" /mnt || fail "mounted again"
(cd /mnt && md5sum -c /tmp/sums >/dev/null) || fail "a file differs"
umount /mnt
nbdzram swapoff data >/dev/null || fail "detach"
nbdzram stop far1 && nbdzram stop far2 || fail "stop"
eventually nothing_left || { ps; fail "left over"; }
array_is_well
