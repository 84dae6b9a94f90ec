#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk as a file, by nbdfuse: what ordinary programs write there is what they
# read, and a hole in it is a hole of the disk.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdfuse nbdinfo fusermount3
[ -w /dev/fuse ] || skip "there is no /dev/fuse"

start_nbdkit zram zram 16M
mkdir "$tmp/disk"
nbdfuse -P "$tmp/fuse.pid" "$tmp/disk/nbd" "$(uri zram)" 2>"$tmp/error" &
fuse=$!
is_mounted () { [ -e "$tmp/fuse.pid" ] || ! kill -0 $fuse 2>/dev/null; }
eventually is_mounted || fail "nbdfuse: $(cat "$tmp/error")"
[ -e "$tmp/fuse.pid" ] || skip "a FUSE file system can't be mounted here"

[ "$(stat -c %s "$tmp/disk/nbd")" = 16777216 ] || fail "the size"
head -c 5000001 /dev/urandom >"$tmp/data"
dd if="$tmp/data" of="$tmp/disk/nbd" bs=128K seek=3 conv=notrunc,fsync \
    status=none
cmp -n 5000001 -i 0:393216 "$tmp/data" "$tmp/disk/nbd" || fail "other bytes"
fallocate -p -o 1M -l 2M "$tmp/disk/nbd"
cmp -n 2097152 -i 0:1048576 /dev/zero "$tmp/disk/nbd" || fail "not punched"
fusermount3 -u "$tmp/disk/nbd" 2>/dev/null || fusermount3 -u "$tmp/disk"
wait $fuse || fail "nbdfuse: $(cat "$tmp/error")"

# The same by another way.
nbdcopy "$(uri zram)" "$tmp/copy"
fallocate -p -o 655360 -l 2M "$tmp/data"
truncate -s 16M "$tmp/want"
dd if="$tmp/data" of="$tmp/want" bs=128K seek=3 conv=notrunc status=none
cmp "$tmp/want" "$tmp/copy" || fail "other bytes by nbdcopy"
