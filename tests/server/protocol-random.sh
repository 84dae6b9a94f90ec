#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random conversations, legal and slightly wrong, against a model of the disk.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3

# Some versions of nbdkit end themselves when a client is gone that several
# replies are on their way to: hence -t 1.

echo "SEED=$seed"
for size in 67109377 1049089; do
    start_nbdkit zram -t 1 zram $size
    python3 -B "$srcdir/tests/lib/protocol-random.py" "$seed" \
        $((quick ? 3 : 12)) "$tmp/zram.sock" || fail "SEED=$seed"
    stop_nbdkit "$pid"
done
