#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The server goes with its last client; a pool stays.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter exitlast
new_pool

start_nbdkit zram --filter=exitlast zram 1M pool="$pool"
io "$(uri zram)" "write -P 1 0 64k"
wait "$pid" || fail "the server did not exit cleanly"
start_nbdkit zram zram 1M pool="$pool"
io "$(uri zram)" "read -P 1 0 64k"
