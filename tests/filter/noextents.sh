#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Holes are hidden, data are not.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter noextents
start_nbdkit zram --filter=noextents zram 1M
io "$(uri zram)" "write -P 1 64k 64k" "read -P 1 64k 64k" "read -P 0 0 64k"
nbdinfo --map "$(uri zram)" | grep -q 'hole\|zero' && fail "a hole is visible"
:
