#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is known to hang is refused before a page is swapped, with the reason
# and what to do, and all is undone: by hand, and by the unit, which is not
# started again and again.  Those who insist are warned.
. "${srcdir:-.}/tests/vm/host.sh"
boot 900 512M systemd
#### guest ####
unit=nbdzram-swap@swap0.service
units=/etc/systemd/system
set -- $(sed -n 's/^RequiresMountsFor=//p' \
    /lib/systemd/system/nbdzram-swap@.service)
conf=$3/swap0.conf

if [ $$ = 1 ]; then
    mkdir -p "$1" "$2" "$3" $units/multi-user.target.wants
    [ -e "$1/nbdzram" ] || ln -s /bin/nbdzram "$1/"
    [ -e "$2/nbdzramd" ] || ln -s /bin/nbdzramd "$2/"
    printf 'size = 100M\n' >"$conf"
    cat >$units/test.service <<'EOF'
[Service]
Type=oneshot
ExecStart=/bin/sh -c '. /lib/nbdzram/guest.sh; . /tests/swap-refused'
EOF
    ln -s ../test.service $units/multi-user.target.wants/
    exec /lib/systemd/systemd
fi

exec >/dev/console 2>&1
export PATH=/bin HOME=/root LC_ALL=C
trap 'end_of_test $?' EXIT
modprobe nbd
settings ()
{
    cat /proc/sys/vm/page-cluster /proc/sys/vm/swappiness \
        /proc/sys/vm/min_free_kbytes /sys/block/nbd0/queue/*_kb \
        /sys/block/nbd0/queue/scheduler /sys/block/nbd0/queue/wbt_lat_usec \
        /sys/block/nbd0/queue/io_timeout
}
settings >/tmp/before
in_use () { grep -q '^/dev/nbd' /proc/swaps; }

# refused PATTERN: by what /tmp/log says, and nothing is left.
refused ()
{
    cat /tmp/log
    grep -q "missing: $1" /tmp/log || fail "it does not say why"
    grep -q 'force = on in swap0.conf' /tmp/log || [ "$2" ] ||
        fail "it does not say what to do"
    in_use && fail "$(cat /proc/swaps)"
    eventually nothing_left || { ps; fail "left over"; }
    [ ! "$(ls /run/nbdzram)" ] || fail "left: $(ls /run/nbdzram)"
    [ ! -e /sys/block/nbd0/pid ] || fail "it is attached"
    settings | diff /tmp/before - || fail "settings are not what they were"
}

# by_hand COMMAND...: swapon, started by it.  busybox has a setpriv that can
# do less.
by_hand () { "$@" nbdzram swapon --no-systemd swap0 $force >/tmp/log 2>&1; }

for each in 'sys_nice scheduling: .*CAP_SYS_NICE' \
    'sys_resource io-flusher: .*CAP_SYS_RESOURCE'; do
    say "without ${each%% *}"
    by_hand /bin/setpriv --bounding-set "-${each%% *}" && fail "not refused"
    refused "${each#* }"
done
grep -q 'missing: oom: ' /tmp/log || fail "it can be killed for memory"

# With sys_resource, the supervisor raises the limit.
say "without ipc_lock"
ulimit -l 64
by_hand /bin/setpriv --bounding-set -ipc_lock,-sys_resource &&
    fail "not refused"
ulimit -l unlimited
grep CAP_IPC_LOCK /tmp/log || { cat /tmp/log; fail "it does not say why"; }
eventually nothing_left || { ps; fail "left over"; }

say "in a control group of 40M"
mkdir /sys/fs/cgroup/small
echo 40M >/sys/fs/cgroup/small/memory.max
in_small () { (echo 0 >/sys/fs/cgroup/small/cgroup.procs; exec "$@"); }
by_hand in_small && fail "not refused"
refused 'cgroup: .*MemoryMax=infinity'

say "with a min_free_kbytes that is known to hang"
echo 'min-free = keep' >>"$conf"
by_hand && fail "not refused"
refused 'min-free: '
printf 'size = 100M\n' >"$conf"

say "by those who insist"
force=--force
by_hand /bin/setpriv --bounding-set -sys_nice || { cat /tmp/log; fail "refused"; }
force=
grep 'missing: scheduling: ' /tmp/log || fail "it does not warn"
in_use || fail "no swap"
# Swap that is on is not refused any more.
by_hand || { cat /tmp/log; fail "refused"; }
grep 'missing: scheduling: ' /tmp/log || fail "it does not warn"
nbdzram swapoff --no-systemd swap0 >/dev/null || fail "swapoff"
eventually nothing_left || { ps; fail "left over"; }
settings | diff /tmp/before - || fail "settings are not what they were"

say "of a unit"
mkdir $units/$unit.d
cat >$units/$unit.d/weak.conf <<'EOF'
[Service]
CapabilityBoundingSet=~CAP_SYS_NICE
LimitRTPRIO=0
EOF
systemctl daemon-reload
nbdzram swapon swap0 >/tmp/log 2>&1 && fail "not refused"
refused 'scheduling: .*CAP_SYS_NICE' unit
# By itself, as at the start of the machine.
systemctl start $unit && fail "not refused"
sleep 2
[ "$(systemctl is-active $unit)" = failed ] || fail "$(systemctl status $unit)"
[ "$(systemctl show -P NRestarts $unit)" = 0 ] || fail "started again"
echo 'missing: unit; force = on in swap0.conf' >/tmp/log
refused unit

say "by those who insist, in its file"
echo 'force = on' >>"$conf"
systemctl reset-failed $unit
systemctl start $unit || fail "refused: $(systemctl status $unit)"
in_use || fail "no swap"
systemctl stop $unit || fail "stop"
eventually nothing_left || { ps; fail "left over"; }
kernel_is_well
