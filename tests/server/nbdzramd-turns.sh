#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The thread of a connection asks the kernel for short turns on the processor,
# so that it is woken soon; the others do not.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3
export NBDZRAM_SERVER=nbdzramd
slices=$(pwd)/tests/lib/thread-slices

[ "$("$slices" $$)" ] || skip "this kernel does not let threads ask for turns"
start_nbdkit zram zram 1M

! "$slices" "$pid" | grep -x 100000 || fail "a thread without a client"
PYTHONPATH=$srcdir/tests/lib python3 -B - "$tmp/zram.sock" "$slices" "$pid" \
          <<'END' || fail "the thread of a client"
import subprocess, sys
from nbd_protocol import connect

client = connect (sys.argv[1])
slices = subprocess.check_output (sys.argv[2:], text=True).split ()
assert slices.count ("100000") == 1, slices
END
