#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Requests wait while the server pauses, and are then done.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo
requires_filter pause
requires perl

control ()
{
    perl -MIO::Socket::UNIX -e '
        my $s = IO::Socket::UNIX->new (Peer => $ARGV[0]) or die "connect: $!";
        $s->syswrite ($ARGV[1]); $s->sysread (my $r, 1) or die "no answer";
        exit ($r eq $ARGV[2] ? 0 : 1)' "$tmp/control" "$1" "$2"
}

start_nbdkit zram --filter=pause zram 1M pause-control="$tmp/control"
io "$(uri zram)" "write -P 1 0 64k"
control p P || fail "no pause"
(sleep 0.7; control r R) &
[ "$(milliseconds io "$(uri zram)" "read -P 1 0 64k" "write -P 2 0 4k")" \
    -ge 500 ] || fail "requests did not wait"
io "$(uri zram)" "read -P 2 0 4k" "read -P 1 4k 60k"
