#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The second client of one waits outside.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter limit
nbdkit --dump-plugin nbd >/dev/null || skip "this nbdkit has no plugin nbd"

# The first client is a server itself, which stays connected.
start_nbdkit zram --filter=limit zram 1M limit=1
start_nbdkit first nbd shared=true uri="$(uri zram)"
io "$(uri first)" "write -P 1 0 64k"
io_fails "$(uri zram)" "read 0 4k" || fail "a second client got in"
io "$(uri first)" "read -P 1 0 64k"

stop_nbdkit "$pid"
eventually io "$(uri zram)" "read -P 1 0 64k" 2>/dev/null ||
    fail "nobody gets in any more"
