#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A request that fails is tried again until it succeeds.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter retry
requires_filter error

start_nbdkit zram --filter=retry --filter=error zram 1M \
    retries=5 retry-delay=1 retry-exponential=no \
    error-pwrite=EIO error-pwrite-rate=100% error-pwrite-file="$tmp/inject"
touch "$tmp/inject"
(sleep 0.5; rm "$tmp/inject") &
[ "$(milliseconds io "$(uri zram)" "write -P 1 0 64k")" -ge 900 ] ||
    fail "there was no second attempt"
io "$(uri zram)" "read -P 1 0 64k" "read -P 0 64k 64k"
