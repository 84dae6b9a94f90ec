#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All requests by libnbd's shell, with and without structured replies, and what
# libnbd would refuse to send by itself.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdsh
# Its module is the system's python3's.
PATH=/usr/bin:$PATH
nbdsh -c pass 2>/dev/null || skip "python3 has no module nbd"
start_nbdkit zram zram 64M

cat >"$tmp/requests.py" <<'END'
import errno, os, random

def refused (error, call, *args, **keys):
    try:
        call (*args, **keys)
    except nbd.Error as e:
        assert e.errnum == error, (call, e)
    else:
        raise AssertionError ("%s %s is not refused" % (call, args))

def status (offset, length):
    got = []
    def note (context, at, entries, error):
        assert context == nbd.CONTEXT_BASE_ALLOCATION
        got.extend (entries)
    h.block_status (length, offset, note)
    return got

size = h.get_size ()
data = random.Random (7).randbytes (1 << 20)
h.pwrite (data, 0, nbd.CMD_FLAG_FUA)
h.pwrite (data[:5000], 3 * 4096 + 77)
want = bytearray (data)
want[3 * 4096 + 77:3 * 4096 + 77 + 5000] = data[:5000]
assert h.pread (len (data), 0) == want
h.zero (10000, 100)
want[100:10100] = bytes (10000)
h.zero (65536, 131072, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FAST_ZERO)
want[131072:131072 + 65536] = bytes (65536)
h.trim (262144, 262144)
want[262144:524288] = bytes (262144)
h.cache (size, 0)
h.flush ()
assert h.pread (len (data), 0) == want
assert h.pread (8192, size - 8192) == bytes (8192)

if h.get_structured_replies_negotiated ():
    hole = status (262144, 262144)
    assert hole[0] >= 262144 and hole[1] == nbd.STATE_HOLE | nbd.STATE_ZERO, hole
    chunks = []
    def note (buf, at, kind, error):
        chunks.append (kind)
    h.pread_structured (524288, 0, note)
    # nbdkit sends zeroes instead.
    if os.environ.get ("NBDZRAM_SERVER") == "nbdzramd":
        assert set (chunks) == {nbd.READ_HOLE, nbd.READ_DATA}, chunks
    chunks.clear ()
    assert h.pread_structured (524288, 0, note, nbd.CMD_FLAG_DF) == want[:524288]
    assert chunks == [nbd.READ_DATA], chunks

# The server itself has to refuse these.
h.set_strict_mode (0)
refused (errno.EINVAL, h.pread, 4096, size)
refused (errno.ENOSPC, h.pwrite, bytes (4096), size - 4095)
refused (errno.EINVAL, h.trim, 4096, size)
refused (errno.EINVAL, h.cache, 1, size)
assert h.pread (len (data), 0) == want
h.zero (size, 0)
assert h.pread (len (data), 0) == bytes (len (data))
END

for structured in True False; do
    nbdsh -c "h.set_request_structured_replies ($structured)
if $structured: h.add_meta_context (nbd.CONTEXT_BASE_ALLOCATION)
h.connect_uri ('$(uri zram)')" -c - <"$tmp/requests.py" ||
        fail "structured: $structured"
done
