#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A server killed while it makes its pool, or attaches to it, is no harm
# to the next.
. "${srcdir:-.}/tests/lib/functions.sh"

[ -x "$bin/nbd-kill" ] || skip "built without libnbd"

rounds=${quick:+5}
new_pool
echo "SEED=$seed"
nbdkit_command -f -U "$tmp/sock" zram 64M pool="$pool"
"$bin/nbd-kill" -S -s "$seed" -n "${rounds:-60}" \
    "$tmp/sock" "$pool" "${command[@]}" ||
    fail "SEED=$seed"
