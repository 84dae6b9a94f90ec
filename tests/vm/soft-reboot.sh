#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd starts all of user space again, and the kernel goes on: what is
# swapped does not fit into memory, so the swap and its server go on, too, and
# the unit adopts them afterwards.
. "${srcdir:-.}/tests/vm/host.sh"
[ -e "$image/newer.cpio" ] || {
    echo "skip: no systemd that knows soft-reboot: make check-vm-long"
    exit 77
}
boot 600 320M newer
#### guest ####
unit=nbdzram-swap@swap0.service

if [ $$ = 1 ]; then
    become_systemd soft-reboot \
        'size = 700M\npriority = 50\npage-cluster = 3\n'
fi

exec >/dev/console 2>&1
export PATH=/bin HOME=/root LC_ALL=C
trap 'end_of_test $?' EXIT

in_use () { grep -q '^/dev/nbd.*[[:blank:]]50$' /proc/swaps; }
is_active () { [ "$(systemctl is-active $unit)" = active ]; }
beginning () { dd bs=1M count=8 iflag=fullblock 2>/dev/null | md5sum; }

in_use || fail "no swap: $(systemctl status $unit)"
eventually is_active || fail "$(systemctl status $unit)"

if [ ! -e /run/again ]; then
    mount -o remount,size=100% /dev/shm
    yes "what is swapped" | dd of=/dev/shm/file bs=1M iflag=fullblock \
        count=$((ram * 12 / 10 / 1024)) 2>/dev/null || fail "dd"
    cat /proc/swaps
    server_pid >/run/again
    say "soft-reboot, with $(systemctl --version | head -n 1)"
    trap - EXIT
    systemctl soft-reboot --no-block
    exit
fi

say "user space has started again"
[ "$(server_pid)" = "$(cat /run/again)" ] || fail "another server"
[ -b /dev/nbd0 ] || fail "/dev/nbd0 is covered"
[ "$(beginning </dev/shm/file)" = "$(yes "what is swapped" | beginning)" ] ||
    fail "other data"
nbdzram check swap0 || fail "check"
rm /dev/shm/file
systemctl stop $unit || fail "stop"
in_use && fail "$(cat /proc/swaps)"
eventually nothing_left || fail "left: $(ps)"
[ ! "$(ls /run/nbdzram)" ] || fail "left: $(ls /run/nbdzram)"
kernel_is_well
