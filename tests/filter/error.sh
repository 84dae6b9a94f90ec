#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Injected errors reach the client and leave the data alone.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter error
start_nbdkit zram --filter=error zram 1M \
    error=EIO error-rate=100% error-file="$tmp/inject"
io "$(uri zram)" "write -P 1 0 64k"
touch "$tmp/inject"
io_fails "$(uri zram)" "read -P 1 0 64k" || fail "the read did not fail"
io_fails "$(uri zram)" "write -P 2 0 64k" || fail "the write did not fail"
rm "$tmp/inject"
io "$(uri zram)" "read -P 1 0 64k"
