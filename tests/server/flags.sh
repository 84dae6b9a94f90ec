#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the server says of its disk.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdinfo

for page_size in 4096 16384 65536; do
    start_nbdkit zram zram 1M page-size=$page_size
    for what in connect multi-conn trim zero fast-zero fua flush cache df; do
        nbdinfo --can "$what" "$(uri zram)" || fail "can't $what"
    done
    nbdinfo --is read-only "$(uri zram)" && fail "read-only"
    nbdinfo --is rotational "$(uri zram)" && fail "rotational"
    nbdinfo "$(uri zram)" >"$tmp/info"
    grep -q 'base:allocation' "$tmp/info" || fail "no extents"
    # The plugin does not state the protocol's defaults.
    # Newer versions of nbdinfo repeat a number in units, "16384 (16K)".
    sizes=$(sed -n -e 's/ (.*)$//' -e 's/^[[:space:]]*block_size_//p' \
                "$tmp/info")
    if serves_with nbdzramd; then
        [ "$sizes" = "minimum: 1
preferred: $page_size
maximum: 33554432" ]
    elif [ $page_size = 4096 ]; then
        [ ! "$sizes" ]
    else
        [ "$sizes" = "minimum: 1
preferred: $page_size
maximum: 4294967295" ]
    fi || fail "wrong block sizes: $sizes"
    stop_nbdkit "$pid"
done

start_nbdkit zram -r zram 1M
nbdinfo --is read-only "$(uri zram)" || fail "-r is not read-only"
stop_nbdkit "$pid"

# FUA is the plugin's own: no flush stands for it.
requires qemu-io
requires_filter log
start_nbdkit zram --filter=log zram 1M logfile="$tmp/requests"
io "$(uri zram)" "write -f -P 1 0 64k"
stop_nbdkit "$pid"
grep -q 'Write.*fua=1' "$tmp/requests" || fail "FUA did not come through"
