#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Pages a second that a control group swaps: with nbdzramd and the plugin in
# nbdkit, whose threads have real-time priority (fifo), and with both at normal
# priority (other) and nbdzramd at a nice value of -20 (nice), which is safe only
# while the rest of the machine has memory.  What is compared takes turns of a
# few seconds.  Prints medians; fails only where a byte is wrong.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 700M
#### guest ####
modprobe nbd
group=/sys/fs/cgroup/test
mkdir $group
: "${mib:=60}" "${runs:=3}" "${words:=fifo,other,nice}"
echo $((mib / 3))M >$group/memory.max

# priority WORD: for the threads of the server that serve.
priority ()
{
    local task thread
    for task in /proc/$server/task/*; do
        thread=${task##*/}
        case $(cat $task/comm) in zram-*) continue ;; esac
        case $1 in
            fifo) chrt -f -p 2 $thread ;;
            other) chrt -o -p 0 $thread && renice -n 0 -p $thread ;;
            nice) chrt -o -p 0 $thread && renice -n -20 -p $thread ;;
        esac || fail "priority $1"
    done >/dev/null
}

none_left () { ! grep -q . $group/cgroup.procs; }
pages_moved () { echo $(($(vmstat_of pswpin) + $(vmstat_of pswpout))); }
uptime_ms () { sed 's/\([0-9]*\)\.\([0-9]*\).*/\1\20/' /proc/uptime; }

# measure NAME: adds a line to /tmp/NAME.
measure ()
{
    local moved start rate
    moved=$(pages_moved) start=$(uptime_ms)
    sleep 4
    rate=$((($(pages_moved) - moved) * 1000 / ($(uptime_ms) - start)))
    echo $rate >>/tmp/$1
    say "$1: $rate"
}

# measure_all NAME WORD...: by priority, while memory is swapped.
measure_all ()
{
    local name=$1 word turn cluster job moved
    shift
    set -- $(for word; do
                 case ,$words, in *,$word,*) echo $word ;; esac
             done)
    moved=$(pages_moved)
    (echo 0 >$group/cgroup.procs; exec pages $mib rounds=100000 seed=7 \
        >/tmp/line 2>&1) &
    job=$!
    is_filled () { [ $(($(pages_moved) - moved)) -gt $((mib * 256)) ]; }
    eventually is_filled || fail "$name: not filled"
    for cluster in 0 3; do
        echo $cluster >/proc/sys/vm/page-cluster
        for turn in 1 2; do
            for word; do
                priority $word
                sleep 1
                measure cluster-$cluster-$name-$word
            done
        done
    done
    killall -9 pages
    wait $job
    # Until their memory is free, the group has none for swapoff.
    eventually none_left || fail "$name: programs are left"
    grep 'page .* word' /tmp/line && fail "$name: a byte is wrong"
}

with_nbdzramd ()
{
    swap_on ${mib}M areas=1 algorithm=lz4 policy=off
    server=$(server_pid)
    measure_all nbdzramd fifo other nice
    swap_off
}

with_nbdkit ()
{
    nbdkit -U /run/nbd.sock /lib/nbdzram/nbdkit-zram-plugin.so ${mib}M \
        algorithm=lz4 policy=off mlock=on || fail "nbdkit"
    eventually test -S /run/nbd.sock || fail "no server"
    nbd-client -unix /run/nbd.sock /dev/nbd5 -connections 2 >/dev/null ||
        fail attach
    eventually test -s /sys/block/nbd5/pid || fail "not attached"
    echo none >/sys/block/nbd5/queue/scheduler
    echo 0 >/sys/block/nbd5/queue/wbt_lat_usec
    mkswap /dev/nbd5 >/dev/null && swapon -d /dev/nbd5 || fail "swapon"
    server=$(pidof nbdkit)
    measure_all nbdkit fifo other
    swapoff /dev/nbd5 && nbd-client -d /dev/nbd5 >/dev/null || fail "off"
    killall nbdkit
    eventually nothing_left || fail "left over"
    rm -f /run/nbd.sock
}

for round in $(seq $runs); do
    with_nbdzramd
    with_nbdkit
done
cd /tmp
for each in cluster-*; do
    say "median of $each: $(sort -n $each |
        awk '{ n[NR] = $1 } END { print n[int ((NR + 1) / 2)] }')" \
        "($(sort -n $each | tr '\n' ' '))"
done
kernel_is_well
