#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is swapped does not fit into memory, when an administrator stops the
# unit and when the machine goes down.  The stop is refused, and the swap goes
# on with all that it needs.  The machine goes down within seconds, and the
# swap serves until the end: its content is read by what runs last.
. "${srcdir:-.}/tests/vm/host.sh"
boot 600 320M systemd
#### guest ####
unit=nbdzram-swap@swap0.service

if [ $$ = 1 ]; then
    # Left over until systemd-shutdown, with a command line that is swapped
    # out.
    mkdir -p $units
    cat >$units/left.service <<'EOF'
[Service]
ExecStart=/bin/sleep 10000
KillMode=none
EOF
    become_systemd poweroff \
        'size = 700M\npriority = 50\npage-cluster = 3\n'
fi

exec >/dev/console 2>&1
export PATH=/bin HOME=/root LC_ALL=C
trap 'end_of_test $?' EXIT

in_use () { grep -q '^/dev/nbd.*[[:blank:]]50$' /proc/swaps; }
is_active () { [ "$(systemctl is-active $unit)" = active ]; }
main_pid () { systemctl show -P MainPID $unit; }

in_use || fail "no swap: $(systemctl status $unit)"
systemctl start left.service || fail "left.service"
mount -o remount,size=100% /dev/shm
yes "what is swapped" | dd of=/dev/shm/file bs=1M iflag=fullblock \
    count=$((ram * 12 / 10 / 1024)) 2>/dev/null || fail "dd: $(df /dev/shm)"
# Its beginning is swapped; reading all of it takes minutes in emulation.
sum=$(yes "what is swapped" | dd bs=1M count=8 iflag=fullblock 2>/dev/null |
    md5sum)
cat /proc/swaps
grep -e MemAvailable -e SwapTotal -e SwapFree /proc/meminfo

say "it is stopped, and there is no room"
pid=$(main_pid)
systemctl stop $unit && fail "it was stopped"
another () { is_active && [ "$(main_pid)" != "$pid" ]; }
eventually another || fail "$(systemctl status $unit)"
in_use || fail "it was turned off: $(cat /proc/swaps)"
[ "$(server_pid)" ] || fail "no server"
nbdzram check swap0 || fail "check"

say "the machine goes down"
at_the_end "
say \"after \$((\$(cut -d. -f1 /proc/uptime) - $(cut -d. -f1 /proc/uptime))) s\"
grep '^/dev/nbd' /proc/swaps || fail 'the swap was turned off'
pidof nbdzramd >/dev/null || fail 'the server was killed'
[ \"\$(dd if=/dev/shm/file bs=1M count=8 2>/dev/null | md5sum)\" = '$sum' ] ||
    fail 'other data'
kernel_is_well
"
trap - EXIT
systemctl poweroff --no-block
