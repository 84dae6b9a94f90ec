#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu's tools: convert both ways, compare, map, and a patchwork of odd
# writes.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-img qemu-io

# An image with data, text, zeroes and holes, not a multiple of a page.
{ head -c 1M /dev/urandom; { yes text || :; } | head -c 1M; head -c 512K /dev/zero; } \
    >"$tmp/disk"
truncate -s 16M "$tmp/disk"
size=$(stat -c %s "$tmp/disk")

start_nbdkit zram zram "$size"
qemu-img convert -n -f raw -O raw -W -m 8 "$tmp/disk" "$(uri zram)"
qemu-img compare -f raw -F raw "$tmp/disk" "$(uri zram)"
qemu-img convert -f raw -O qcow2 "$(uri zram)" "$tmp/disk.qcow2"
qemu-img compare -f raw -F qcow2 "$tmp/disk" "$tmp/disk.qcow2"
qemu-img map --output=json -f raw "$(uri zram)" >"$tmp/map"
grep -q '"start": 0, "length": 2097152,.*"zero": false, "data": true' \
    "$tmp/map" || fail "the data are not in the map: $(cat "$tmp/map")"
grep -q '"start": 2097152, "length": 14680064,.*"zero": true' "$tmp/map" ||
    fail "the hole is not in the map: $(cat "$tmp/map")"
stop_nbdkit "$pid"

start_nbdkit zram zram $((1024 * 1024 + 513))
io "$(uri zram)" \
    "write -P 1 0 1049089" "write -P 2 511 2" "write -P 3 4095 2" \
    "write -P 4 65535 65538" "write -P 5 1049088 1" "write -z 8000 9000" \
    "write -z -u 20000 9000" "discard 30000 9000" "discard 1048577 511" \
    "read -P 1 0 511" "read -P 2 511 2" "read -P 1 513 3582" \
    "read -P 3 4095 2" "read -P 1 4097 3903" "read -P 0 8000 9000" \
    "read -P 1 17000 3000" "read -P 0 20000 9000" "read -P 1 29000 1000" \
    "read -P 0 30000 9000" "read -P 1 39000 26535" "read -P 4 65535 65538" \
    "read -P 1 131073 917504" "read -P 0 1048577 511" "read -P 5 1049088 1"
