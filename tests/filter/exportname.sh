#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Only the names that were given are served.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter exportname
start_nbdkit zram --filter=exportname zram 1M \
    exportname=swap exportname-strict=true exportname-list=explicit
nbdinfo --list "$(uri zram)" | grep -q 'export="swap"' || fail "not listed"
io "$(uri zram swap)" "write -P 1 0 64k" "read -P 1 0 64k"
nbdinfo "$(uri zram other)" >/dev/null 2>&1 && fail "another name is served"
io "$(uri zram swap)" "read -P 1 0 64k"
