#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fio writes in random order from several jobs, and verifies.
. "${srcdir:-.}/tests/lib/functions.sh"

requires fio
fio --enghelp=nbd >/dev/null 2>&1 || skip "this fio has no nbd engine"

start_nbdkit zram zram 64M
verify ()
{
    (cd "$tmp" && fio --name=verify --ioengine=nbd --uri="$(uri zram)" \
        --rw=randwrite --verify=crc32c --verify_fatal=1 --do_verify=1 \
        --randseed="$seed" --output="$tmp/fio.log" "$@") ||
        fail "$(cat "$tmp/fio.log")"
}
echo "SEED=$seed"
verify --size="${quick:+4M}${quick:-32M}" --bs=4k --iodepth=32 \
    --buffer_compress_percentage=50 --refill_buffers
verify --size=8M --bssplit=512/30:4k/40:12k/20:64k/10 --bs_unaligned=1 \
    --iodepth=16 --numjobs=4 --offset_increment=8M --thread
