#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Data flows no faster than the limit.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter rate
start_nbdkit zram --filter=rate zram 4M rate=8M burstiness=1
[ "$(milliseconds io "$(uri zram)" "write -P 1 0 1M" "write -P 2 1M 1M")" \
    -ge 900 ] || fail "2 MiB at 1 MiB a second went too fast"
stop_nbdkit "$pid"
start_nbdkit zram --filter=rate zram 4M rate=800M
io "$(uri zram)" "write -P 1 0 1M" "read -P 1 0 1M" "read -P 0 1M 3M"
