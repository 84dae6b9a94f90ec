#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The second client of one waits outside.
. "${srcdir:-.}/tests/functions.sh"

requires qemu-io nbdinfo
requires_filter limit
start_nbdkit zram --filter=limit zram 1M limit=1
qemu-io -f raw -c "write -P 1 0 64k" -c "sleep 1000" "$(uri zram)" \
    >"$tmp/first.log" 2>&1 &
first=$!
for ((i = 0; i < 100; i++)); do
    ! grep -q wrote "$tmp/first.log" || break
    sleep 0.02
done
io_fails "$(uri zram)" "read 0 4k" || fail "a second client got in"
kill $first
wait $first || :
sleep 0.2
io "$(uri zram)" "read -P 1 0 64k"
