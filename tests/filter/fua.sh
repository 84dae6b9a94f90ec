#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FUA is hidden, or forced on every write.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter fua
requires_filter log

start_nbdkit zram --filter=fua zram 1M
nbdinfo --can fua "$(uri zram)" && fail "FUA is not hidden"
io "$(uri zram)" "write -P 1 0 64k" "read -P 1 0 64k"
stop_nbdkit "$pid"
start_nbdkit zram --filter=fua --filter=log zram 1M fuamode=force \
    logfile="$tmp/requests"
io "$(uri zram)" "write -P 2 0 64k" "read -P 2 0 64k"
stop_nbdkit "$pid"
grep -q 'Write.*fua=1' "$tmp/requests" || fail "FUA is not forced"
