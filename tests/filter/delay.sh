#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Reads are late, writes are not, and both are right.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter delay
start_nbdkit zram --filter=delay zram 1M rdelay=700ms
[ "$(milliseconds io "$(uri zram)" "write -P 1 0 64k")" -lt 10000 ] ||
    fail "the write took too long"
[ "$(milliseconds io "$(uri zram)" "read -P 1 0 64k")" -ge 700 ] ||
    fail "the read was not delayed"
