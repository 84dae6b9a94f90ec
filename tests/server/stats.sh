#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What -v says at the end is what was written.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io

head -c 400K /dev/urandom >"$tmp/random"
{ yes 'some text' || :; } | head -c 8K >"$tmp/text"
start_nbdkit zram -v zram 64M mem-limit=32M
io "$(uri zram)" \
    "write -s $tmp/random 0 400k" \
    "write -s $tmp/text 1M 80k" \
    "write -P 255 2M 120k" \
    "write -z 3M 40k" \
    "write -s $tmp/random 4M 40k" "discard 4M 40k"
stop_nbdkit "$pid"

statistic ()
{
    sed -n "s/.*debug: $1=\([0-9]*\)$/\1/p" "$tmp/zram.log"
}

# equals NAME VALUE
equals ()
{
    [ "$(statistic "$1")" = "$2" ] || fail "$1=$(statistic "$1"), not $2"
}
equals orig_data_size $(((400 + 80 + 120) * 1024))
equals same_pages 30
equals huge_pages 100
equals huge_pages_since 110
equals objects_up_to_half 20
equals objects_above_half 0
equals notify_free 10
equals mem_limit 33554432
equals failed_reads 0
equals failed_writes 0
equals checksum_errors 0
equals bad_slots 0
used=$(statistic mem_used_total)
[ "$(statistic compr_data_size)" -ge $((400 * 1024)) ] &&
    [ "$(statistic compr_data_size)" -lt $((440 * 1024)) ] ||
    fail "compr_data_size=$(statistic compr_data_size)"
[ $(($(statistic compr_data_size) + $(statistic mem_waste) + \
     $(statistic mem_bookkeeping))) = "$used" ] ||
    fail "the parts of mem_used_total=$used don't sum up"
[ "$(statistic mem_used_max)" -ge "$used" ] || fail "mem_used_max"

# Each is in the manual, and nothing else is.
sed -n 's/.*debug: \([a-z_]*\)=[0-9]*$/\1/p' "$tmp/zram.log" | sort > "$tmp/said"
sed -n '/^=head1 STATISTICS/,/^=head1 FILES/s/^=item //p' \
    "$srcdir/man/nbdkit-zram-plugin.pod" | grep -o 'C<[a-z_]*>' |
    tr -d 'C<>' | sort > "$tmp/written"
diff "$tmp/said" "$tmp/written" || fail "the manual has other statistics"
