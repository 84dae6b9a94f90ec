#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A backing file that fails loses nothing but what was in it, and the
# server says so and goes on; one that can't be used is refused.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdcopy cmp perl jq
private_mounts
mount_tmpfs 8M

size=16777216
head -c $size /dev/urandom >"$tmp/a"
head -c $size /dev/urandom >"$tmp/b"
backing=$mnt/backing

# statistic NAME; state: ok, full or failed.
statistic ()
{
    nbdzram status --json | jq ".. | objects | .statistics.$1 // empty"
}

state ()
{
    nbdzram status -n --raw -o BACKING
}

# start PARAMETERS...
start ()
{
    start_nbdkit zram zram $size policy=off "$@"
}

write_back ()
{
    nbdzram writeback --type all >"$tmp/out" 2>&1
}

# holds FILE: each page of the disk is as in it.
holds ()
{
    nbdcopy "$(uri zram)" "$tmp/found"
    cmp "$tmp/found" "$1" || fail "pages differ"
}

# In $tmp/lost, the pages that are errors.  They become zeroes, as they may
# be written, and all others are as in $tmp/a.
lost ()
{
    seq -f 'read %.0f 4k' 0 4096 $((size - 4096)) >"$tmp/reads"
    { qemu-io -f raw "$(uri zram)" <"$tmp/reads" 2>&1 || :; } |
        sed -n 's/^\(qemu-io> \)*read \(failed: Input\|4096\).*/\2/p' |
        awk '$1 != 4096 { print NR - 1 } END { if (NR != 4096) exit 1 }' \
            >"$tmp/lost" || fail "not every page has an answer"
    awk '{ print "write -z", $1 * 4096, "4k" }' "$tmp/lost" |
        qemu-io -f raw "$(uri zram)" >/dev/null
    perl -e 'open my $f, "+<:raw", $ARGV[0] or die;
             while (<STDIN>) { seek $f, 4096 * $_, 0; print $f "\0" x 4096; }' \
        "$tmp/a" <"$tmp/lost"
    holds "$tmp/a"
}

# ---- a full disk ----

# 16 MiB do not go into 8: what has no room stays in memory.
start backing="$backing" backing-size=64M
nbdcopy "$tmp/a" "$(uri zram)"
! write_back || fail "there is room for 16 MiB in 8"
grep -qx 'nbdzram: zram0: the backing file is full' "$tmp/out" ||
    fail "$(cat "$tmp/out")"
[ "$(state)" = full ] || fail "the state is $(state)"
[ "$(statistic bd_count)" -gt 1000 ] || fail "too little was written back"
[ "$(statistic bd_count)" -lt 2048 ] || fail "too much was written back"
holds "$tmp/a"
# Room comes back: writeback goes on.
nbdcopy "$tmp/b" "$(uri zram)"
io "$(uri zram)" "discard 4M 12M"
went_on () { write_back && [ "$(statistic bd_count)" -gt 900 ]; }
eventually went_on || fail "$(cat "$tmp/out")"
[ "$(state)" = ok ] || fail "the state is $(state)"
head -c 4M "$tmp/b" >"$tmp/expected"
truncate -s $size "$tmp/expected"
holds "$tmp/expected"
[ "$(statistic failed_reads)" = 0 ] || fail "reads failed"
stop_nbdkit "$pid"
umount "$mnt"
mount_tmpfs 64M

# ---- a file that is deleted ----

# It is there as long as the server has it.
start backing="$backing" backing-size=64M mem-limit=64M
nbdcopy "$tmp/a" "$(uri zram)"
write_back
rm "$backing"
holds "$tmp/a"
write_back
holds "$tmp/a"
[ "$(state)" = ok ] || fail "the state is $(state)"
stop_nbdkit "$pid"
[ ! -e "$backing" ] || fail "the file is back"

# ---- a file that is truncated ----

# Pages that were beyond its new end are errors, until they are written;
# all others are as they were.
start backing="$backing" backing-size=64M
nbdcopy "$tmp/a" "$(uri zram)"
io "$(uri zram)" "discard 12M 4M"
truncate -s $size "$tmp/zero"
dd if="$tmp/zero" of="$tmp/a" bs=1M seek=12 count=4 conv=notrunc status=none
nbdzram writeback --type all --range 0-2047 >/dev/null
nbdzram pages -n >"$tmp/pages"
[ "$(statistic bd_count)" = 2048 ] || fail "not all went"
[ "$(state)" = ok ] || fail "the state is $(state)"
truncate -s 4M "$backing"
[ "$(state)" = truncated ] || fail "the state is $(state)"
lost
count=$(wc -l <"$tmp/lost")
# The first block is the header.
[ "$count" = $((2048 - 1023)) ] || fail "$count pages are lost"
[ "$(tail -n 1 "$tmp/lost")" -lt 2048 ] || fail "pages in memory are lost"
[ "$(statistic failed_reads)" = "$count" ] &&
    [ "$(statistic bd_read_errors)" = "$count" ] ||
    fail "$(statistic failed_reads) failed reads"
# What has lost all is written to again.
truncate -s 5000 "$backing"
nbdzram writeback --type all >/dev/null
nbdcopy "$tmp/b" "$(uri zram)"
holds "$tmp/b"
write_back
holds "$tmp/b"
# The file is long enough again, but nobody knows what was lost.
[ "$(state)" = truncated ] || fail "the state is $(state)"
stop_nbdkit "$pid"

# ---- a pool, and what is not its backing file ----

new_pool
start pool="$pool" backing="$backing.of-pool" backing-size=64M
nbdcopy "$tmp/b" "$(uri zram)"
write_back
refuses "$backing.of-pool: another process" zram 1M \
    backing="$backing.of-pool" backing-size=64M
stop_nbdkit "$pid" KILL

# unchanged PATTERN PARAMETERS...: refused, and neither the pool nor any
# file is changed.  Most of a pool is a hole: its pages tell, at the end.
sums ()
{
    stat -c '%n %s %b' "$pool"
    sha256sum "$mnt"/*
}

unchanged ()
{
    sums >"$tmp/before"
    refuses "$1" zram $size pool="$pool" policy=off "${@:2}"
    sums | cmp - "$tmp/before" || fail "$*: something was changed"
}
echo precious >"$mnt/precious"
start_nbdkit other zram 1M backing="$mnt/other" backing-size=8M
stop_nbdkit "$pid"
unchanged 'pages .*backing file.*backing= is missing'
unchanged 'not the one' backing="$mnt/other" backing-size=64M
unchanged 'not the one' backing="$mnt/precious" backing-size=64M
unchanged 'not the one' backing="$mnt/new" backing-size=64M
unchanged 'the pool itself' backing="$pool" backing-size=64M
unchanged 'backing-size=' backing="$backing.of-pool"
unchanged 'file or a block device' backing=/dev/null backing-size=64M
unchanged 'irectory' backing="$mnt" backing-size=64M
unchanged 'No such file' backing="$mnt/no/backing" backing-size=64M
start pool="$pool" backing="$backing.of-pool" backing-size=64M
holds "$tmp/b"
[ "$(statistic bd_read_errors)" = 0 ] || fail "reads failed"
[ "$(state)" = ok ] || fail "the state is $(state)"
write_back
stop_nbdkit "$pid"
# It may also become shorter while there is no server.
truncate -s 4M "$backing.of-pool"
start pool="$pool" backing="$backing.of-pool" backing-size=64M
[ "$(state)" = truncated ] || fail "the state is $(state)"
stop_nbdkit "$pid"
rm "$pool" "$mnt"/*

# ---- a block device ----

# What has data in it is left alone; what fails does no harm.
on_device ()
{
    echo precious >"$mnt/disk"
    truncate -s 32M "$mnt/disk"
    (refuses 'something else' zram 1M backing="$loop") || return 1
    : >"$mnt/disk"
    truncate -s 32M "$mnt/disk"
    start backing="$loop"
    nbdcopy "$tmp/b" "$(uri zram)" && write_back || return 1
    [ "$(statistic bd_count)" = 4096 ] && holds "$tmp/b" || return 1
    stop_nbdkit "$pid"
}

truncate -s 32M "$mnt/disk"
loop=$(losetup -f --show "$mnt/disk" 2>/dev/null) ||
    skip "the rest: no loop device"
status=0
on_device || status=$?
losetup -d "$loop"
exit $status
