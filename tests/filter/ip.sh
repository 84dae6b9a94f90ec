#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients are let in, or not, by where they come from.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter ip
start_nbdkit zram --filter=ip zram 1M deny=anyunix
nbdinfo "$(uri zram)" >/dev/null 2>&1 && fail "a client got in"
stop_nbdkit "$pid"
start_nbdkit zram --filter=ip zram 1M allow=anyunix deny=all
io "$(uri zram)" "write -P 1 0 64k" "read -P 1 0 64k"
