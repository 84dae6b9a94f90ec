#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The queue of the device is set for memory while it is attached, and put
# back afterwards, whoever is killed in between; and a program that is killed
# while the pool is full ends soon, which writeback throttling kept it from.
. "${srcdir:-.}/tests/vm/host.sh"
boot 900 400M md
#### guest ####
queue=/sys/block/nbd0/queue
keys='scheduler wbt_lat_usec rotational io_timeout read_ahead_kb max_sectors_kb'
queue_of ()
{
    for key in $keys; do cat /sys/block/$1/queue/$key; done |
        sed 's/.*\[\(.*\)\].*/\1/' | tr '\n' ' '
}
is () { [ "$(queue_of "$1")" = "$2 " ] || fail "$1: $(queue_of "$1")"; }

modprobe nbd
say "nbd0 was: $(queue_of nbd0)"
# What an administrator has chosen.
echo 75000 >$queue/wbt_lat_usec
echo 20000 >$queue/io_timeout
echo 256 >$queue/read_ahead_kb
echo 1024 >$queue/max_sectors_kb
before='mq-deadline 75000 0 20000 256 1024'
is nbd0 "$before"

say "swap"
swap_on 200M areas=1 mem-limit=12M policy=off
cat /tmp/swapon.log
is nbd0 'none 0 0 3000 0 128'
nbdzram check swap0 | grep '^ok  *queue ' || fail "$(nbdzram check swap0)"

# Those who look for memory while the pool is full, and are killed.  wbt=on
# is for a comparison by hand.
[ ! "$wbt" ] || echo 2000 >$queue/wbt_lat_usec
group=/sys/fs/cgroup/test
mkdir $group
echo 24M >$group/memory.max
(echo 0 >$group/cgroup.procs
 exec pages 80 workers=2 rounds=1000 >/tmp/line 2>&1) &
is_full () { [ "$(nbdzram status -n --raw -o ERRORS swap0)" -gt 0 ]; }
eventually is_full || fail "the pool does not become full"
say "the pool is full"
sleep 2
uptime_ms () { sed 's/\([0-9]*\)\.\([0-9]\).*/\1\200/' /proc/uptime; }
start=$(uptime_ms)
killall -9 pages
while [ "$(cat $group/cgroup.procs)" ]; do
    sleep 0.1
    [ $(($(uptime_ms) - start)) -lt 300000 ] || fail "killed programs live on"
done
say "programs that were killed ended after $(($(uptime_ms) - start)) ms"
wait
[ ! "$wbt" ] || exit 0
swap_off
is nbd0 "$before"

watcher () { pid_of ' watch swap0 '; }
goes_on () { [ "$(watcher)" ] && [ "$(watcher)" != "$killed" ]; }
say "its watcher is killed, and another one puts the queue back"
swap_on 64M areas=1
killed=$(watcher)
kill -9 "$killed" || fail "no watcher"
eventually goes_on || fail "no watcher"
swap_off
is nbd0 "$before"

say "nobody is there any more who could, and the device is disconnected"
swap_on 64M areas=1
swapoff /dev/nbd0 || fail "swapoff"
kill -9 "$(pid_of ' serve --swap ')" && kill -9 "$(watcher)" ||
    fail "no supervisor, no watcher"
nbd-client -d /dev/nbd0 >/dev/null || fail "disconnect"
is nbd0 'none 0 0 3000 0 128'
swap_off
cat /tmp/swapoff.log
is nbd0 "$before"
[ ! -e /run/nbdzram/swap0.attach ] || fail "left: $(ls /run/nbdzram)"

say "a disk keeps its read-ahead"
nbdzram swapon swap0 --size=64M --attach-only >/tmp/log 2>&1 ||
    { cat /tmp/log; fail "attach"; }
is nbd0 'none 0 0 3000 256 128'
writes () { awk '{ print $5 }' /sys/block/nbd0/stat; }
writes_before=$(writes)
dd if=/dev/zero of=/dev/nbd0 bs=1M count=1 oflag=direct || fail "dd"
say "1M is written by $(($(writes) - writes_before)) requests"
[ $(($(writes) - writes_before)) -ge 8 ] || fail "a request was too large"
swap_off
is nbd0 "$before"

say "a mirror"
start_far 1 64M
start_far 2 64M
nbdzram swapon swap0 --mirror --remote nbd://127.0.0.1:10811 \
    --remote nbd://127.0.0.1:10812 >/tmp/log 2>&1 ||
    { cat /tmp/log; fail "mirror"; }
is nbd0 'none 0 0 3000 256 128'
array=$(sed -n 's/^.dev.\(md[0-9]*\).*/\1/p' /proc/swaps)
[ "$(cat /sys/block/$array/queue/rotational)" = 0 ] || fail "$array rotates"
[ "$(cat /sys/block/$array/queue/read_ahead_kb)" = 0 ] || fail "$array reads ahead"
# A half whose server dies is given up, and comes back under its number.
signal_far 1 KILL
eventually alone || fail "it is not given up: $(cat /proc/mdstat)"
start_far 1 64M
eventually both || fail "it does not come back: $(cat /proc/mdstat)"
is nbd0 'none 0 0 3000 256 128'
nbdzram swapoff swap0 >/tmp/log 2>&1 || { cat /tmp/log; fail "swapoff"; }
is nbd0 "$before"
nbdzram stop far1 && nbdzram stop far2 || fail "stop"
eventually nothing_left || { ps; fail "left over"; }
