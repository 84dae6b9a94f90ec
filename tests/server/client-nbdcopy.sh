#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdcopy there and back gives the same, and holes stay holes.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdcopy nbdinfo

{ head -c 3M /dev/urandom; { yes text || :; } | head -c 5000000; } >"$tmp/disk"
truncate -s 20000001 "$tmp/disk"
head -c 12345 /dev/urandom >>"$tmp/disk"

for options in page-size=4K "page-size=64K algorithm=lz4:level=5"; do
    # shellcheck disable=SC2086
    start_nbdkit zram zram "$(stat -c %s "$tmp/disk")" $options
    nbdcopy "$tmp/disk" "$(uri zram)"
    nbdinfo --map --totals "$(uri zram)" >"$tmp/map"
    awk '$4 != "data" { zero += $1 } END { exit !(zero > 11000000) }' \
        "$tmp/map" || fail "no hole: $(cat "$tmp/map")"
    nbdcopy "$(uri zram)" "$tmp/copy"
    cmp "$tmp/disk" "$tmp/copy"
    [ "$(stat -c %b "$tmp/copy")" -lt 18000 ] || fail "the copy has no hole"
    # Over what is there, in odd parts and without extents; and to another.
    nbdcopy --synchronous --destination-is-zero --request-size=1048576 \
        "$(uri zram)" null:
    nbdcopy --no-extents --allocated "$tmp/copy" "$(uri zram)"
    start_nbdkit other zram "$(stat -c %s "$tmp/disk")"
    nbdcopy "$(uri zram)" "$(uri other)"
    nbdcopy "$(uri other)" - | cmp - "$tmp/disk"
    for server in "${servers[@]}"; do stop_nbdkit "$server"; done
done
