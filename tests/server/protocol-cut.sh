#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The connection is cut at each byte of each message, in both directions.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3

# Some versions of nbdkit end themselves when a client is gone that several
# replies are on their way to: hence -t 1.

start_nbdkit zram -t 1 zram 1M
python3 -B "$srcdir/tests/lib/protocol-cut.py" "$pid" "$tmp/zram.sock" ||
    fail "see above"
stop_nbdkit "$pid"

start_tcp zram 127.0.0.1 -t 1 zram 1M
python3 -B "$srcdir/tests/lib/protocol-cut.py" "$pid" 127.0.0.1 "$port" ||
    fail "by TCP: see above"
stop_nbdkit "$pid"
