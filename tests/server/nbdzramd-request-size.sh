#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A hardened nbdzramd asks for no memory when a new client sends the largest
# requests of the kernel, 128 KiB, as many as it can: neither a connection nor
# its workers do.  It does when a request is larger than its buffers.
. "${srcdir:-.}/tests/lib/functions.sh"

export NBDZRAM_SERVER=nbdzramd
requires python3
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a sanitizer allocates as it likes"
nbdkit_zram -U - zram 1M mlock=on --run true 2>/dev/null ||
    skip "memory can't be locked here"

truncate -s 4096 "$tmp/count"
export NBDZRAM_COUNT=$tmp/count

# client [NBDZRAM]: with that program, pages are written back and read again.
client ()
{
    PYTHONPATH=$srcdir/tests/lib python3 -B - "$tmp/zram.sock" \
        "$NBDZRAM_COUNT" "$@" <<'END'
import os, random, struct, sys
from nbd_protocol import READ, WRITE, connect

socket, count, writes_back = sys.argv[1], sys.argv[2], len (sys.argv) > 3
SIZE, DEPTH = 128 << 10, 32

def calls ():
    with open (count, "rb") as f:
        return struct.unpack ("Q", f.read (8))[0]

def need_no_memory (what, requests):
    before = calls ()
    for r in requests:
        client.request (*r[0], **r[1])
    client.finish_all ()
    assert calls () == before, "%s: %d calls" % (what, calls () - before)

data = random.Random (1).randbytes (SIZE)
client = connect (socket)
assert calls () > 0, "nothing is counted"
need_no_memory ("writes", [((WRITE, i * SIZE), {"data": data})
                           for i in range (DEPTH)])
reads = [((READ, i * SIZE, SIZE), {}) for i in range (DEPTH)]
need_no_memory ("reads", reads)
if writes_back:                 # then workers read the pages
    assert os.system (sys.argv[3] + " writeback --type all >/dev/null") == 0
    need_no_memory ("reads of cold pages", reads)
before = calls ()
client.write (0, 8 * data)
assert calls () > before, "a request of 1 MiB needed no memory"
client.disconnect ()
END
}

start ()
{
    NBDZRAM_PRELOAD=$bin/count-calls.so start_nbdkit zram zram 64M mlock=on \
        reserve=32M policy=off "$@"
}

start
client || fail "see above"
stop_nbdkit "$pid"

start backing="$tmp/backing" backing-size=16M
client "$nbdzram" || fail "with a backing file: see above"
stop_nbdkit "$pid"
