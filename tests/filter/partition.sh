#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One partition of the disk is served.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter partition
requires nbdcopy
new_pool

# A primary partition of 1 MiB that begins at 1 MiB.
truncate -s 4M "$tmp/disk"
printf '\x00\x00\x00\x00\x83\x00\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00' |
    dd of="$tmp/disk" bs=1 seek=446 conv=notrunc status=none
printf '\x55\xaa' | dd of="$tmp/disk" bs=1 seek=510 conv=notrunc status=none
start_nbdkit zram zram 4M pool="$pool"
nbdcopy "$tmp/disk" "$(uri zram)"
stop_nbdkit "$pid"

start_nbdkit zram --filter=partition zram 4M pool="$pool" partition=1
[ "$(nbdinfo --size "$(uri zram)")" = 1048576 ] || fail "wrong size"
io "$(uri zram)" "write -P 1 0 1M"
stop_nbdkit "$pid"

start_nbdkit zram zram 4M pool="$pool"
io "$(uri zram)" "read -P 0 512k 512k" "read -P 1 1M 1M" "read -P 0 2M 2M"
