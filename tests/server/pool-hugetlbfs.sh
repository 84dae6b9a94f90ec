#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pool in huge pages: write, read, kill, attach, and run out of them.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdcopy qemu-io perl
private_mounts
n=/proc/sys/vm/nr_hugepages
[ -w $n ] || skip "no huge pages"
before=$(cat $n)
# The server, the mount and the pages go in this order.
restore ()
{
    local status=$?

    kill -9 ${servers[@]+"${servers[@]}"} 2>/dev/null || :
    wait
    umount "$tmp/mnt" 2>/dev/null || :
    echo "$before" >$n
    (exit $status) || cleanup
    cleanup
}
trap restore EXIT
echo $((before + 20)) >$n
[ "$(cat $n)" -ge $((before + 20)) ] || skip "no huge pages can be had"
mkdir "$tmp/mnt"
mount -t hugetlbfs -o pagesize=2M,size=32M nbdzram-test "$tmp/mnt" ||
    skip "can't mount a hugetlbfs"
pool=$tmp/mnt/pool

head -c 64M /dev/urandom >"$tmp/a"
head -c 64M /dev/zero >"$tmp/zero"
start_nbdkit zram zram 64M pool="$pool"
io "$(uri zram)" "write -P 1 0 1M" "write -s $tmp/a 1M 4M" \
    "write -P 2 5000000 1000" "discard 2M 64k" "write -z 3M 70000"
nbdcopy "$(uri zram)" "$tmp/first"
stop_nbdkit "$pid" KILL
start_nbdkit zram zram 64M pool="$pool"
nbdcopy "$(uri zram)" - | cmp - "$tmp/first"
io "$(uri zram)" "read -P 1 0 1M" "read -P 2 5000000 1000" "read -P 0 2M 64k"

io "$(uri zram)" "discard 0 64M"
fill_up "$(uri zram)" "$tmp/a"
nbdcopy "$(uri zram)" "$tmp/second"
pages=$(pages_are "$tmp/second" "$tmp/zero" "$tmp/a")
[ "$pages" -gt 5000 ] || fail "only $pages pages in 32 MiB"
stop_nbdkit "$pid" KILL
start_nbdkit zram zram 64M pool="$pool"
nbdcopy "$(uri zram)" - | cmp - "$tmp/second"
io "$(uri zram)" "discard 0 64M" "write -s $tmp/a 0 8M" "read -P 0 8M 56M"
stop_nbdkit "$pid"

# No huge page left at all: refused, and nothing left behind.
rm "$pool"
fallocate -l 32M "$tmp/mnt/other"
refuses 'No space' zram 64M pool="$pool"
[ ! -e "$pool" ] || fail "a pool was left behind"
