#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram mount: ext4, xfs and btrfs, in one step and back.  A file system
# that is in use stays; a mount that is killed at any moment can be run again,
# or undone.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 700M fs
#### guest ####
export NBDZRAM_CONF_DIR=/etc/nbdzram
mkdir -p /etc/nbdzram /mnt/disk
for module in nbd xfs btrfs; do modprobe $module || fail "modprobe $module"; done

run ()
{
    nbdzram "$@" >/tmp/log 2>&1 || { cat /tmp/log; fail "$*"; }
}

# Nothing of it: processes, files, devices, mounts.
is_gone ()
{
    nothing_left && [ ! "$(ls /run/nbdzram)" ] && ! grep -q nbd /proc/mounts
}

gone ()
{
    eventually is_gone || {
        ps
        fail "left over: $(ls /run/nbdzram; grep nbd /proc/mounts)"
    }
    [ ! -e /sys/block/nbd0/pid ] || fail "it is attached"
}

is_used () { [ "$(readlink /proc/$user/cwd)" = /mnt/disk ]; }
held () { nbdzram status --bytes -n --raw -o TOTAL mnt-disk; }
is_returned () { sync; [ $(($(held) - empty)) -lt $((3 << 20)) ]; }

for type in ext4 xfs btrfs; do
    say "$type"
    run mount --size=400M --type=$type --mode=1777 --options=noatime /mnt/disk
    cat /tmp/log
    grep "^/dev/nbd0 /mnt/disk $type .*noatime.*discard" /proc/mounts ||
        fail "mounts: $(cat /proc/mounts)"
    [ "$(stat -c %a /mnt/disk)" = 1777 ] || fail "mode"
    empty=$(held)
    dd if=/dev/urandom of=/mnt/disk/file bs=1M count=20 2>/dev/null
    sync
    [ $(($(held) - empty)) -gt $((18 << 20)) ] || fail "$empty, then $(held)"
    dd if=/mnt/disk/file of=/dev/null bs=1M 2>/dev/null || fail "read"
    # Again: it is there already.
    run mount --size=400M --type=$type --mode=1777 /mnt/disk
    [ "$(grep -c nbd0 /proc/mounts)" = 1 ] || fail "mounted twice"

    say "in use"
    (cd /mnt/disk && exec sleep 1000) &
    user=$!
    eventually is_used || fail "not in use"
    nbdzram umount /mnt/disk >/tmp/log 2>&1 && fail "unmounted while in use"
    cat /tmp/log
    grep -q 'umount: mnt-disk: /mnt/disk: .*busy' /tmp/log || fail "why?"
    nbdzram swapoff mnt-disk >/tmp/log 2>&1 && fail "detached while in use"
    cat /tmp/log
    nbdzram stop mnt-disk >/tmp/log 2>&1 && fail "stopped while in use"
    grep -q '/dev/nbd0 is mounted: run nbdzram umount' /tmp/log ||
        { cat /tmp/log; fail "why?"; }
    [ "$(stat -c %s /mnt/disk/file)" = $((20 << 20)) ] || fail "the file"
    kill $user
    wait $user 2>/dev/null
    say "it is given back"
    rm /mnt/disk/file
    [ $type = btrfs ] && fstrim /mnt/disk
    eventually is_returned || fail "$(held) are held, and $empty before"
    run umount /mnt/disk
    cat /tmp/log
    gone
done

say "by a file of settings, and with another name"
printf 'size = 64M\nmount-point = /mnt/disk\nmode = 0700\n' \
    >/etc/nbdzram/data.conf
run mount data
[ "$(stat -c %a /mnt/disk)" = 700 ] || fail "mode of data.conf"
run umount data
gone

# Refused after the server was started: all is undone.
say "undone"
mkdir -p /fail
printf '#!/bin/sh\necho not today >&2\nexit 1\n' >/fail/mount
chmod +x /fail/mount
PATH=/fail:$PATH nbdzram mount data >/tmp/log 2>&1 && fail "mounted"
cat /tmp/log
grep -q 'nbdzram mount: data: /mnt/disk: not today' /tmp/log || fail "why?"
gone

# The server dies: its pages are not lost.
say "killed server"
run mount data
echo content >/mnt/disk/file
sync
kill -9 "$(pidof @nbdzramd nbdzramd | tr ' ' '\n' | head -n 1)"
echo 3 >/proc/sys/vm/drop_caches
[ "$(cat /mnt/disk/file)" = content ] || fail "the file is another one"
run umount data
gone

# killed N: mount is killed after N hundredths of a second.
killed ()
{
    nbdzram mount data >/tmp/log 2>&1 &
    usleep $(($1 * 10000))
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
}

# killed_mkfs COMMANDS: mount is killed when mkfs, which runs COMMANDS, has begun.
# It goes on for a second.
killed_mkfs ()
{
    mkdir -p /fail
    printf '#!/bin/sh\nfor device; do :; done\n%s\nexec sleep 1 <"$device"\n' \
        "$1" >/fail/mkfs.ext4
    chmod +x /fail/mkfs.ext4
    PATH=/fail:$PATH nbdzram mount data >/tmp/log 2>&1 &
    mount=$!
    eventually test -e /fail/begun || fail "no mkfs"
    kill -9 $mount
    wait $mount 2>/dev/null
    rm -r /fail
    run mount data
    cat /tmp/log
    echo content >/mnt/disk/file || fail "it can't be written"
    [ ! -e /run/nbdzram/data.mkfs ] || fail "not known as complete"
}

say "killed while mkfs runs"
rm -r /fail
killed_mkfs ': >/fail/begun; /bin/mkfs.ext4 "$@"'
run umount data
gone
say "half of a file system"
killed_mkfs 'tr "\0" x </dev/zero | dd of="$device" bs=64k count=16 2>/dev/null
: >/fail/begun'
grep -q 'made a file system' /tmp/log || fail "it is used"

# After that, what the user makes is not overwritten, also if mkfs of an
# earlier run failed.
say "made by hand"
umount /mnt/disk
mkfs.ext4 -q -F -L by-hand /dev/nbd0 || fail "mkfs"
echo '{}' >/run/nbdzram/data.mkfs
run mount data
grep -q 'made a file system' /tmp/log && fail "it was overwritten"
[ ! -e /run/nbdzram/data.mkfs ] || fail "not known as complete"

say "covered"
mount -t tmpfs other /mnt/disk
nbdzram umount data >/tmp/log 2>&1 && fail "unmounted below another one"
cat /tmp/log
grep -q 'on top' /tmp/log || fail "why?"
grep -q '^other /mnt/disk' /proc/mounts || fail "the other one is unmounted"
umount /mnt/disk

say "the same name for another directory"
mkdir -p /mnt/a/b /mnt/a-b
run mount --size=64M /mnt/a/b
nbdzram mount --size=64M --mode=700 /mnt/a-b >/tmp/log 2>&1 && fail "mounted"
cat /tmp/log
grep -q 'is mounted on /mnt/a/b; for another disk' /tmp/log || fail "why?"
[ "$(stat -c %a /mnt/a/b)" = 755 ] || fail "its mode was changed"
nbdzram umount /mnt/a-b >/tmp/log 2>&1 && fail "unmounted"
grep -q '/mnt/a/b, and not on /mnt/a-b' /tmp/log || { cat /tmp/log; fail "why?"; }
run umount /mnt/a/b
run umount data
gone

# What a killed process has started may not be ready to be ended yet.
is_undone ()
{
    is_gone && return 0
    nbdzram umount data >/tmp/log 2>&1
    is_gone
}

for n in 0 5 20 50 120 250; do
    say "killed after $n"
    killed $n
    run mount data
    echo content >/mnt/disk/file || fail "it can't be written"
    run umount data
    gone
    killed $n
    eventually is_undone || { cat /tmp/log; gone; }
done
kernel_is_well
