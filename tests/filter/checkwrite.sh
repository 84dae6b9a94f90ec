#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes of what is there succeed, others fail and change nothing.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter checkwrite
new_pool

start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "write -P 1 0 64k"
stop_nbdkit "$pid"
start_nbdkit zram --filter=checkwrite zram 1M pool="$pool"
io "$(uri zram)" "write -P 1 0 64k" "write -z 64k 64k" "discard 128k 64k"
io_fails "$(uri zram)" "write -P 2 0 64k" || fail "a difference passed"
io_fails "$(uri zram)" "write -z 0 64k" || fail "data passed as zeroes"
stop_nbdkit "$pid"
start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "read -P 1 0 64k" "read -P 0 64k 960k"
