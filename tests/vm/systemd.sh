#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# As an administrator has it: a file in the directory of settings, and
# systemd, which starts nbdzram-swap@swap0 with the machine, starts its
# supervisor again when that is killed, replaces its server by "reload", and
# turns the swap off when the machine goes down, after those who use it.  Its
# socket for metrics starts a process for each page.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 512M systemd
#### guest ####
unit=nbdzram-swap@swap0.service

# ---- process 1: install, and become systemd ----

if [ $$ = 1 ]; then
    mkdir -p $units
    cat >$units/load.service <<'EOF'
[Service]
ExecStart=/bin/sh -c 'pages 90 rounds=0 seconds=25 seed=9 >/run/line 2>&1; echo $? >/run/code'
MemoryMax=60M
EOF
    cat >$units/hold.service <<'EOF'
[Service]
ExecStart=/bin/pages 120 rounds=0 hold=1 seed=10
MemoryMax=60M
EOF
    # What nbdzram-swapon(8) describes for a server of this machine.
    mkdir -p "$units/$unit.d"
    cat >"$units/$unit.d/less.conf" <<'EOF'
[Service]
CapabilityBoundingSet=~CAP_MKNOD CAP_SYS_MODULE
SystemCallFilter=~@module
RestrictAddressFamilies=~AF_INET AF_INET6 AF_VSOCK
EOF
    become_systemd systemd \
        "size = 300M\\npriority = 50\\n${areas:+areas = $areas\\n}"
fi

# ---- the test, as a service ----

exec >/dev/console 2>&1
export PATH=/bin HOME=/root LC_ALL=C
trap 'end_of_test $?' EXIT

is_active () { [ "$(systemctl is-active $unit)" = active ]; }
in_use () { grep -q '^/dev/nbd.*[[:blank:]]50$' /proc/swaps; }
main_pid () { systemctl show -P MainPID $unit; }

say "it is there before ordinary services"
in_use || fail "no swap: $(systemctl status $unit)"
is_active || fail "$(systemctl status $unit)"
nbdzram status swap0
nbdzram check swap0 || fail "check"
systemctl start load.service || fail "load"
busy () { sleep 4; [ ! -e /run/code ] || fail "ended: $(cat /run/line)"; }
busy

say "its supervisor is killed"
pid=$(main_pid) server=$(server_pid)
kill -9 "$pid" || fail "no supervisor"
another () { is_active && [ "$(main_pid)" != "$pid" ]; }
eventually another || fail "$(systemctl status $unit)"
[ "$(systemctl show -P NRestarts $unit)" = 1 ] || fail "not started again"
[ "$(server_pid)" = "$server" ] || fail "another server"
in_use || fail "the swap is gone"
busy

say "its server is killed"
kill -9 "$server" || fail "no server"
replaced () { [ "$(server_pid)" ] && [ "$(server_pid)" != "$server" ]; }
eventually replaced || fail "no other server"
is_active || fail "$(systemctl status $unit)"
busy

say "it is reloaded"
server=$(server_pid)
systemctl reload $unit || fail "reload"
eventually replaced || fail "the same server"

all_done () { [ -e /run/code ]; }
eventually all_done || fail "the load goes on"
cat /run/line
[ "$(cat /run/code)" = 0 ] || fail "see above"

say "it is stopped, by systemd and by the command"
is_off ()
{
    in_use && fail "$(cat /proc/swaps)"
    [ "$(systemctl is-active $unit)" = inactive ] ||
        fail "$(systemctl status $unit)"
    eventually nothing_left || fail "left: $(ps)"
}
systemctl stop $unit || fail "stop"
is_off
# As from a session of root's, which has a directory of its own.
mkdir -p /run/user/0
XDG_RUNTIME_DIR=/run/user/0 nbdzram swapon swap0 --algorithm=zstd ||
    fail "swapon"
in_use && is_active || fail "not by its unit: $(systemctl status $unit)"
[ "$(nbdzram status -n --raw -o ALGORITHM swap0)" = zstd ] ||
    fail "not as it was told: $(nbdzram status swap0)"
nbdzram swapoff swap0 || fail "swapoff"
is_off

# The sandbox of its unit lets it lock memory, use a backing file, and take
# over what runs.
say "a disk that is no swap"
disk=nbdzram@disk.service
confdir=$(sed -n 's/^RequiresMountsFor=[^ ]* [^ ]* \([^ ]*\) .*/\1/p' \
    /lib/systemd/system/nbdzram-swap@.service)
mkdir -p /var/lib
printf '%s\n' 'size = 64M' 'mlock = on' 'backing = /var/lib/cold' \
    'backing-size = 16M' >"$confdir/disk.conf"
# Here, units write to the console.
mkdir -p $units/nbdzram@.service.d
printf '[Service]\nDeviceAllow=/dev/console rw\n' \
    >$units/nbdzram@.service.d/console.conf
systemctl daemon-reload
systemctl start $disk || fail "$(systemctl status $disk)"
disk_pid () { nbdzram status -n --raw -o PID disk 2>/dev/null; }
disk_supervisor () { systemctl show -P MainPID $disk; }
server=$(disk_pid)
grep -q '^VmLck:[[:blank:]]*[1-9]' "/proc/$server/status" ||
    fail "not locked: $(cat "/proc/$server/status")"
[ "$(cut -d ' ' -f 41 "/proc/$server/stat")" != 0 ] || fail "not real-time"
[ -e /var/lib/cold ] || fail "no backing file"
pid=$(disk_supervisor)
kill -9 "$pid" || fail "no supervisor"
recovered ()
{
    [ "$(systemctl is-active $disk)" = active ] &&
        [ "$(disk_supervisor)" != "$pid" ] && [ "$(disk_pid)" = "$server" ]
}
eventually recovered || fail "$(systemctl status $disk)"
systemctl reload $disk || fail "reload"
upgraded () { [ "$(disk_pid)" ] && [ "$(disk_pid)" != "$server" ]; }
eventually upgraded || fail "the same server"
nbdzram reset --yes disk || fail "reset"
nbdzram swapon disk --size=64M >/run/refused 2>&1 && fail "swapon"
grep -q "its server is $disk, which .* start nbdzram-swap@disk.service" \
    /run/refused || fail "$(cat /run/refused)"

say "its metrics"
socket=nbdzram-metrics.socket
mkdir -p /var/tmp               # where each process has its own
systemctl enable --now $socket || fail "$(systemctl status $socket)"
port=$(sed -n 's/^ListenStream=.*://p' /lib/systemd/system/$socket)
no_reader ()
{
    [ "$(systemctl show -P NConnections $socket)" = 0 ] &&
        ! grep -qs -e '[-]-http' /proc/[0-9]*/cmdline
}
no_unit ()
{
    [ ! "$(systemctl list-units --all --plain --no-legend \
        'nbdzram-metrics@*')" ]
}
for n in 1 2; do
    wget -q -O /run/page "http://127.0.0.1:$port/metrics" ||
        fail "no page: $(systemctl status $socket)"
    grep -q '^nbdzram_up{server="disk"} 1$' /run/page ||
        fail "no disk: $(cat /run/page)"
    eventually no_reader || fail "left: $(ps)"
    eventually no_unit || fail "$(systemctl list-units 'nbdzram-metrics@*')"
    [ "$(systemctl show -P NAccepted $socket)" = $n ] || fail "not accepted"
done
wget -q -O /run/page "http://127.0.0.1:$port/other" && fail "another page"
eventually no_reader || fail "left: $(ps)"
systemctl disable --now $socket || fail "disable"

systemctl stop $disk || fail "stop"
[ ! -e /run/nbdzram/disk.ctl ] || fail "left: $(ls /run/nbdzram)"

say "the machine goes down while it is in use"
systemctl start $unit && systemctl start hold.service || fail "start"
stands () { grep -q '^State:.*stopped' /proc/[0-9]*/status; }
eventually stands || fail "nothing is swapped"
kernel_is_well
at_the_end '
dmesg | grep -e "hold.service: Deactivated" \
    -e "nbdzram-swap@swap0.service: Deactivated successfully" >/run/order
[ "$(wc -l </run/order)" = 2 ] && head -n 1 /run/order | grep hold ||
    fail "not in order"
dmesg | grep -i "disabling swap" && fail "its unit left it on"
nothing_left || fail "left: $(ps)"
kernel_is_well
'
dmesg -c >/dev/null
trap - EXIT
systemctl poweroff --no-block
