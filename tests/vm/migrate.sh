#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What zram-generator's files ask for: settings are imported and used as the
# comments in them tell, for swap and for a file system.
. "${srcdir:-.}/tests/vm/host.sh"
boot 900 400M fs
#### guest ####
export NBDZRAM_CONF_DIR=/etc/nbdzram
mkdir -p /etc/nbdzram /etc/systemd/zram-generator.conf.d
modprobe nbd || fail "modprobe nbd"
cat >/etc/systemd/zram-generator.conf <<'EOF'
[zram0]
zram-size = min(ram / 2, 100)
compression-algorithm = lz4
swap-priority = 5

[zram1]
zram-size = 64
fs-type = ext4
mount-point = /mnt
EOF
printf '[zram0]\nswap-priority = 50\n' \
    >/etc/systemd/zram-generator.conf.d/50-priority.conf
for name in zram0 zram1; do
    nbdzram conf import --section=$name >/etc/nbdzram/$name.conf ||
        fail "import $name"
    cat /etc/nbdzram/$name.conf
done

# attach NAME: by its settings
attach ()
{
    nbdzram swapon "$1" >/tmp/log 2>&1 || { cat /tmp/log; fail "swapon $1"; }
    cat /tmp/log
}

detach ()
{
    nbdzram swapoff "$1" >/tmp/log 2>&1 || { cat /tmp/log; fail "swapoff $1"; }
}

say "swap"
attach zram0
# In areas, each of which has a page of its own.
awk '$1 ~ "^/dev/nbd" { n++; kib += $3 + 4; if ($5 > most) most = $5 }
     END { print n, kib, most }' /proc/swaps >/tmp/swaps
[ "$(cat /tmp/swaps)" = "3 102400 50" ] || fail "swaps: $(cat /proc/swaps)"
[ "$(nbdzram status --raw -n -o ALGORITHM zram0)" = lz4 ] || fail "algorithm"

say "a file system"
nbdzram mount zram1 >/tmp/log 2>&1 || { cat /tmp/log; fail "mount"; }
cat /tmp/log
device=$(nbdzram status --raw --noheadings --output=DEVICE zram1)
[ -b "$device" ] || fail "no device of zram1: '$device'"
[ "$(blockdev --getsize64 "$device")" = $((64 << 20)) ] || fail "the size"
grep "^$device /mnt ext4 .*discard" /proc/mounts ||
    fail "mounts: $(cat /proc/mounts)"

held () { nbdzram status --bytes -n --raw -o TOTAL zram1; }
empty=$(held)
dd if=/dev/urandom of=/mnt/file bs=1M count=20 2>/dev/null
sync
md5sum /mnt/file >/tmp/sum
full=$(held)
[ $((full - empty)) -gt $((18 << 20)) ] || fail "$empty, then $full"
nbdzram swapoff zram1 >/tmp/log 2>&1 && fail "detached while it is mounted"
cat /tmp/log
grep -q "$device.* in use" /tmp/log || fail "it does not say why"
echo 3 >/proc/sys/vm/drop_caches
md5sum -c /tmp/sum >/dev/null || fail "the file is another one"

say "deleted files give their memory back"
rm /mnt/file
is_returned () { sync; [ $(($(held) - empty)) -lt $((3 << 20)) ]; }
eventually is_returned || fail "$(held) are held, and $empty before"

nbdzram umount zram1 >/tmp/log 2>&1 || { cat /tmp/log; fail "umount"; }
detach zram0
grep /dev/nbd /proc/swaps && fail "still on"
eventually nothing_left || { ps; fail "left over: $(ls /run/nbdzram)"; }
kernel_is_well
