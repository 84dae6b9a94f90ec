#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What can't be is refused, with one line that says what is wrong.
. "${srcdir:-.}/tests/lib/functions.sh"

refuses 'size.*missing' zram
refuses "size: '0' is 0 bytes, and must be from 1 byte to 1P" zram size=0
refuses "size: '0' is 0 bytes, and must be from 1 byte" zram 0
refuses '' zram size=-1
refuses '' zram size=1Q
refuses 'to 1P' zram size=1025T
refuses 'to 1P' zram size=1125899906842625
refuses '' zram size=99999999999999999999999
refuses '' zram size=8E
refuses '' zram size=
refuses 'huge' zram size=huge
refuses '' zram size=1G1
# A sanitizer maps too much for such a disk.
[ "${NBDZRAM_PRELOAD:-}" ] || nbdkit_zram -U - zram 1P --run true
nbdkit_zram -U - zram 1 --run true

refuses "page-size: '5000' .*power of two from 4K to 64K" zram 1M page-size=5000
refuses "page-size: '2K' " zram 1M page-size=2K
refuses "page-size: '128K' " zram 1M page-size=128K
refuses "page-size: '0' " zram 1M page-size=0
refuses '' zram 1M page-size=-4096
refuses '' zram 1M page-size=4294971392
refuses '' zram 1M page-size=small

list=$(nbdkit_zram --dump-plugin zram |
    sed -n -E 's/^zram_(lz4|lz4hc|lzo|zstd|deflate)=yes$/\1/p')
for name in $list; do
    refuses "unknown algorithm 'gzip'.*\b$name\b" zram 1M algorithm=gzip
done
refuses 'unknown algorithm' zram 1M algorithm=
refuses 'unknown algorithm' zram 1M algorithm=lz
refuses 'unknown algorithm' zram 1M algorithm=LZ4
refuses 'unknown algorithm' zram 1M algorithm=:level=1
refuses 'too long' zram 1M algorithm="$(printf 'x%.0s' {1..300})"
refuses "level 'fast'" zram 1M algorithm=lz4:level=fast
refuses "level ''" zram 1M algorithm=lz4:level=
refuses "level '1x'" zram 1M algorithm=lz4:level=1x
refuses "level '99999999999999999999'" \
    zram 1M algorithm=lz4:level=99999999999999999999
for name in $list; do
    refuses "$name: level '1000000'" zram 1M "algorithm=$name:level=1000000"
    refuses "$name: unknown parameter 'speed=1'" \
        zram 1M "algorithm=$name:speed=1"
    refuses "$name: unknown parameter ''" zram 1M "algorithm=$name:"
    # The level by default, and given twice, is fine.
    nbdkit_zram -U - zram 1M "algorithm=$name" --run true
done

for name in $list; do
    [ "$name" = zstd ] || refuses 'only zstd has dictionaries' \
        zram 1M "algorithm=$name:dict=auto"
done
if requires_algorithm zstd; then
    head -c 262145 /dev/zero >"$tmp/large"
    : >"$tmp/empty"
    printf '\067\244\060\354damaged' >"$tmp/damaged"
    refuses 'dict=/nonexistent: No such file' \
        zram 1M algorithm=zstd:dict=/nonexistent:level=3
    refuses "dict=$tmp/large: .*larger than 256K" \
        zram 1M "algorithm=zstd:dict=$tmp/large"
    refuses 'the file is empty' zram 1M "algorithm=zstd:dict=$tmp/empty"
    refuses 'the dictionary is damaged' \
        zram 1M "algorithm=zstd:dict=$tmp/damaged"
    refuses 'Is a directory' zram 1M "algorithm=zstd:dict=$tmp"
fi

refuses "unknown parameter 'colour'" zram 1M colour=green
refuses "unknown parameter 'Size'" zram Size=1M
refuses 'mem-limit: must be at least' zram 1M mem-limit=1
refuses 'mem-limit: must be at least' zram 1M mem-limit=0
refuses 'mem-limit: must be at least' zram 1M mem-limit=64K page-size=64K
refuses '' zram 1M mem-limit=-1
refuses '' zram 1M mem-limit=much
refuses 'maybe' zram 1M checksum=maybe
refuses "dedup: 'on' must be off, or device, or pool" zram 1M dedup=on
refuses "dedup: '' must be" zram 1M dedup=
refuses 'by their checksums' zram 1M dedup=pool checksum=off
refuses 'must be at least 1 byte' zram 1M dedup=pool dedup-index=0
refuses 'maybe' zram 1M policy=maybe
refuses 'maybe' zram 1M recompress-group=maybe
refuses "recompress-age: '0' .*from 1 to" zram 1M recompress-age=0
refuses "recompress-age: '432001' " zram 1M recompress-age=432001
refuses '' zram 1M recompress-age=1h
refuses 'backing-size= requires backing=' zram 1M backing-size=1M
refuses 'writeback-limit= requires backing=' zram 1M writeback-limit=1M
refuses 'backing-timeout= requires backing=' zram 1M backing-timeout=5
refuses 'requires an NBD server' zram 1M backing="$tmp/b" backing-size=1M backing-timeout=5
for port in 0 65536 99999 -1 '' x 4294977105; do
    refuses 'port must be from 1 to 65535' \
        zram 1M "backing=nbd://localhost:$port/"
    refuses 'port must be from 1 to 65535' \
        zram 1M "backing=nbds://user@[::1]:$port"
done
# In these nothing is a port.
for uri in 'nbd://[::1:99999' "nbd+unix:///x:99999?socket=$tmp/none"; do
    refuses "backing=.*$tmp/none\|backing=nbd://\[" zram 1M "backing=$uri"
done
refuses "backing-timeout: '0' " zram 1M backing=nbd://x backing-timeout=0
refuses 'a file needs backing-size=' zram 1M backing="$tmp/b"
refuses 'a file needs backing-size=' zram 1M backing="$tmp/b" backing-size=1
refuses 'must be a file or a block device' zram 1M backing=/dev/null
refuses 'No such file' zram 1M backing="$tmp/none/b" backing-size=1M
refuses "writeback-watermark: '100' " zram 1M writeback-watermark=100
refuses "writeback-age: '0' " zram 1M writeback-age=0
echo precious > "$tmp/full"
refuses 'something else in it' zram 1M backing="$tmp/full" backing-size=1M
[ "$(cat "$tmp/full")" = precious ] || fail "a file was overwritten"
[ ! -e "$tmp/b" ] || fail "a file was left behind"
refuses "maintenance-cpu: '0' " zram 1M maintenance-cpu=0
refuses "maintenance-cpu: '101%' " zram 1M maintenance-cpu=101%
refuses '' zram 1M maintenance-cpu=%
refuses '' zram 1M maintenance-cpu=1%%
nbdkit_zram -U - zram 1M maintenance-cpu=100% --run true
refuses "recompress=gzip: unknown algorithm" zram 1M recompress=gzip
refuses 'at most 3' zram 1M recompress=lz4hc recompress=lz4hc:level=9 \
    recompress=lz4hc:level=10 recompress=lz4hc:level=11

# Found out before the fork, where it can be said; nor here with one.
[ "${NBDZRAM_PRELOAD:-}" ] ||
    (ulimit -v 12000000; refuses 'no address space' zram 1G)

for wrong in x 3 3, 3,4,5 -1,4 3,4294967299 ' 3,4' 3,4x; do
    NBDZRAM_SUPERVISED=$wrong refuses 'NBDZRAM_SUPERVISED: Invalid' zram 1M
done

# The least that is named is enough.
refuses 'at least' zram 1M mem-limit=1
least=$(sed -n 's/.*at least \([0-9]*\)K.*/\1/p' "$tmp/refused")
nbdkit_zram -U - zram 1M "mem-limit=${least}K" --run true
refuses 'at least' zram 1M "mem-limit=$((least - 1))K"

# With a backing file it is more; and such a file is not touched before that
# is known.
: >"$tmp/empty-backing"
for file in "$tmp/b" "$tmp/empty-backing"; do
    with=(backing="$file" backing-size=1G)
    refuses 'mem-limit: must be at least .*backing= needs' \
        zram 1M "mem-limit=${least}K" "${with[@]}"
    more=$(sed -n 's/.*at least \([0-9]*\)K.*/\1/p' "$tmp/refused")
    refuses 'mem-limit: must be at least .*backing= needs' \
        zram 1M "mem-limit=$((more - 1))K" "${with[@]}"
    [ ! -s "$file" ] || fail "$file was written"
    [ ! -e "$tmp/b" ] || fail "a file was left behind"
    nbdkit_zram -U - zram 1M "mem-limit=${more}K" "${with[@]}" --run true
    rm -f "$file"
done
