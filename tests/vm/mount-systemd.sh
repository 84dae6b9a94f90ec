#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram-mount@NAME: mounted before ordinary services, by "nbdzram mount" as
# a unit, too; it outlives its supervisor, and stays while it is in use.  The
# machine ends with a file system that is in use until the end.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 700M fs systemd
#### guest ####
unit=nbdzram-mount@data.service

if [ $$ = 1 ]; then
    set -- $(sed -n 's/^RequiresMountsFor=//p' \
        /lib/systemd/system/nbdzram-mount@.service)
    mkdir -p "$1" "$2" "$3" $units/sysinit.target.wants \
        $units/multi-user.target.wants /mnt/data /mnt/more
    [ -e "$1/nbdzram" ] || ln -s /bin/nbdzram "$1/"
    [ -e "$2/nbdzramd" ] || ln -s /bin/nbdzramd "$2/"
    printf 'size = 64M\nmount-point = /mnt/data\nmode = 1777\n' \
        >"$3/data.conf"
    ln -s /lib/systemd/system/nbdzram-mount@.service \
        $units/sysinit.target.wants/$unit
    cat >$units/test.service <<'EOF'
[Service]
Type=oneshot
ExecStart=/bin/sh -c '. /lib/nbdzram/guest.sh; . /tests/mount-systemd'
EOF
    ln -s ../test.service $units/multi-user.target.wants/
    # In use until systemd kills what is left.
    cat >$units/user.service <<'EOF'
[Unit]
DefaultDependencies=no
[Service]
WorkingDirectory=/mnt/data
ExecStart=/bin/sleep 10000
EOF
    exec /lib/systemd/systemd
fi

exec >/dev/console 2>&1
export PATH=/bin HOME=/root LC_ALL=C
trap 'end_of_test $?' EXIT

is_mounted () { grep -q "^/dev/nbd[0-9]* $1 ext4 .*discard" /proc/mounts; }
state () { systemctl is-active "$1"; }
main_pid () { systemctl show -P MainPID $unit; }

say "it is there before ordinary services"
is_mounted /mnt/data || fail "$(systemctl status $unit; cat /proc/mounts)"
[ "$(state $unit)" = active ] || fail "$(systemctl status $unit)"
[ "$(stat -c %a /mnt/data)" = 1777 ] || fail "mode"
echo content >/mnt/data/file

say "its supervisor is killed"
pid=$(main_pid)
kill -9 "$pid" || fail "no supervisor"
another () { [ "$(state $unit)" = active ] && [ "$(main_pid)" != "$pid" ]; }
eventually another || fail "$(systemctl status $unit)"
[ "$(cat /mnt/data/file)" = content ] || fail "the file"

say "it is in use while it is stopped"
systemctl start user.service || fail "user.service"
in_use () { [ "$(readlink /proc/$(systemctl show -P MainPID user)/cwd)" = /mnt/data ]; }
eventually in_use || fail "not in use"
systemctl stop $unit
is_active () { [ "$(state $unit)" = active ]; }
eventually is_active || fail "$(systemctl status $unit)"
echo 3 >/proc/sys/vm/drop_caches
[ "$(cat /mnt/data/file)" = content ] || fail "the file"
systemctl stop user.service

say "it is unmounted, by systemd and by the command"
systemctl stop $unit || fail "stop: $(systemctl status $unit)"
is_mounted /mnt/data && fail "$(cat /proc/mounts)"
eventually nothing_left || { ps; fail "left over: $(ls /run/nbdzram)"; }
systemctl start $unit || fail "start: $(systemctl status $unit)"
is_mounted /mnt/data || fail "$(cat /proc/mounts)"
nbdzram umount data || fail "umount"
[ "$(state $unit)" = inactive ] || fail "$(systemctl status $unit)"
eventually nothing_left || { ps; fail "left over: $(ls /run/nbdzram)"; }

say "the command starts a unit of its own"
nbdzram mount --size=64M /mnt/more || fail "mount"
[ "$(state nbdzram-mount@mnt-more)" = active ] || fail "no unit"
is_mounted /mnt/more || fail "$(cat /proc/mounts)"
nbdzram umount /mnt/more || fail "umount"
[ "$(state nbdzram-mount@mnt-more)" = inactive ] || fail "still a unit"
eventually nothing_left || { ps; fail "left over: $(ls /run/nbdzram)"; }

say "the machine ends while it is in use"
systemctl start $unit || fail "start: $(systemctl status $unit)"
systemctl start user.service || fail "user.service"
eventually in_use || fail "not in use"
dd if=/dev/urandom of=/mnt/data/dirty bs=1M count=10 2>/dev/null
trap - EXIT
at_the_end '
grep nbd /proc/mounts && say "still mounted"
kernel_is_well'
systemctl poweroff --no-block
