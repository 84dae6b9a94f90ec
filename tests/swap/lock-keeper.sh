#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A server under a supervisor: when it is killed, its memory stays locked
# until the next one has it.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 qemu-io nbdcopy
[ ! "${NBDZRAM_PRELOAD:-}" ] ||
    skip "a sanitizer makes a fork of vfork, which shares no memory"
python3 -c 'import os; os.eventfd' 2>/dev/null || skip "python3 is too old"
nbdkit_zram -U - zram 1M mlock=on --run true 2>/dev/null ||
    skip "memory can't be locked here"

python3 "$srcdir/tests/fake/lock-keeper.py" "$tmp" "$plugin" ${quick:+quick}
