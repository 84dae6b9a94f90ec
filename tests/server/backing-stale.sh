#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A file, a device, an NBD server or one of two that lost its last writes, went
# back to a snapshot, or put a block elsewhere: no page is another than the
# one that was written last, also when the server is killed in between.
#   RUNS=100 SEED=number tests/server/backing-stale.sh
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdkit
[ -x "$bin/nbd-stale" ] || skip "built without NBD for backing, or cmocka"
nbdkit_zram --dump-plugin zram | grep -qx zram_backing=file,nbd ||
    skip "built without NBD for backing"
runs=${RUNS:-${quick:+1}}
new_pool

# stale KIND FILE: the server gets the preload of a sanitizer by PATH, since
# it is started by the program.
stale ()
{
    "$bin/nbd-stale" -s "$seed" -n "${runs:-3}" "$1" "$2" "$pool" "$plugin" \
        "$nbdzram" || fail "$1: SEED=$seed"
}

if [ "${NBDZRAM_PRELOAD:-}" ]; then
    mkdir "$tmp/bin"
    printf '#!/bin/sh\nLD_PRELOAD="%s" exec %s "$@"\n' "$NBDZRAM_PRELOAD" \
        "$(command -v nbdkit)" >"$tmp/bin/nbdkit"
    chmod +x "$tmp/bin/nbdkit"
    PATH=$tmp/bin:$PATH
fi
# Where the kernel has direct I/O, if possible.
file=$(mktemp "$bin/stale.XXXXXX")
pools+=("$file" "$file.disk")
rm "$file"

echo "SEED=$seed"
stale file "$file=$file"
stale nbd -
stale pair -
truncate -s 4M "$file.disk"
loop=$(losetup -f --show "$file.disk" 2>/dev/null) ||
    skip "the rest: no loop device"
status=0
(stale device "$file.disk=$loop") || status=$?
losetup -d "$loop"
exit $status
