#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Slow clients, clients that read nothing, and 500 at once: none of them keeps
# another one from being served.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3

# A connection takes three descriptors of nbdkit's.
ulimit -n 4096 2>/dev/null || skip "too few files may be open"

# Some versions of nbdkit end themselves when a client is gone that several
# replies are on their way to: hence -t 1.

start_nbdkit zram -t 1 zram 64M
python3 -B "$srcdir/tests/lib/protocol-slow.py" "$pid" "$tmp/zram.sock" \
    $((quick ? 50 : 500)) || fail "see above"
stop_nbdkit "$pid"
