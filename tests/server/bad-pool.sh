#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pool that can't be used is refused, and left as it was.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io
new_pool

refuses "pool=$tmp/no/pool: No such file" zram 1M pool="$tmp/no/pool"
refuses 'directory' zram 1M pool="$tmp"
refuses 'path' zram 1M pool=
if [ "$(stat -f -c %T "$tmp")" != tmpfs ]; then
    refuses 'tmpfs or hugetlbfs' zram 1M pool="$tmp/pool"
    [ ! -e "$tmp/pool" ] || fail "a file was left behind"
    echo precious >"$tmp/file"
    refuses 'tmpfs or hugetlbfs' zram 1M pool="$tmp/file"
    [ "$(cat "$tmp/file")" = precious ] || fail "a file was changed"
fi
mkfifo "$tmp/fifo"
refuses 'tmpfs' zram 1M pool="$tmp/fifo"
refuses '' zram 1M pool=/dev/null

# Files that are no pools, text and such that begin with zeroes.
is_no_pool ()
{
    cp "$tmp/file" "$pool"
    refuses 'not a pool' zram 1M pool="$pool"
    cmp "$tmp/file" "$pool" || fail "a file that is no pool was changed"
    rm "$pool"
}
echo precious >"$tmp/file"
is_no_pool
{ head -c 16 /dev/zero; echo precious; } >"$tmp/file"
is_no_pool
{ head -c 5000 /dev/zero; echo precious; } >"$tmp/file"
is_no_pool
{ echo precious; head -c 3M /dev/urandom; } >"$tmp/file"
is_no_pool
{ head -c 3M /dev/zero; echo precious; } >"$tmp/file"
is_no_pool

# The geometry is the pool's.
start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "write -P 1 0 64k"
refuses "pool=$pool: another process" zram 1M pool="$pool"
stop_nbdkit "$pid"
refuses 'page-size=4096, not 16384' zram 1M page-size=16K pool="$pool"
refuses 'checksum=on' zram 1M checksum=off pool="$pool"
refuses '1048576 bytes, not 2097152' zram 2M pool="$pool"

# A pool whose beginning is damaged, or that was cut short.
cp --sparse=always "$pool" "$pool.copy"
pools+=("$pool.copy")
for offset in 0 9 20 4097 4110; do
    cp --sparse=always "$pool" "$pool.copy"
    printf '\xa5' | dd of="$pool.copy" bs=1 seek=$offset conv=notrunc status=none
    refuses 'damaged' zram 1M pool="$pool.copy"
done
cp --sparse=always "$pool" "$pool.copy"
truncate -s -8K "$pool.copy"
refuses 'damaged' zram 1M pool="$pool.copy"
truncate -s 8K "$pool.copy"
refuses 'damaged' zram 1M pool="$pool.copy"

# None of which did any harm.
start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "read -P 1 0 64k" "read -P 0 64k 960k"
