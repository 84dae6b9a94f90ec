#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tarball is the same, byte for byte, each time that it is made.
. "${srcdir:-.}/tests/lib/functions.sh"

[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a build with a sanitizer is not packed"
requires make tar gzip
dir=nbdzram-dist-test

# make_dist NAME UMASK
make_dist ()
{
    (umask "$2" &&
         env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u TESTS \
             make -C "$top_builddir" dist distdir=$dir) \
        >"$tmp/dist.log" 2>&1 || fail "make dist"
    mv "$top_builddir/$dir.tar.gz" "$tmp/$1.tar.gz"
}

make_dist first 022
sleep 1.1                       # so that times differ
make_dist second 077
cmp "$tmp/first.tar.gz" "$tmp/second.tar.gz" || fail "two tarballs"
tar -tvzf "$tmp/first.tar.gz" >"$tmp/list"
[ "$(wc -l <"$tmp/list")" -gt 300 ] || fail "it has too few files"
! grep -v '^[-d]rw[-x]r-[-x]r-[-x] 0/0 ' "$tmp/list" ||
    fail "modes or owners of this machine"
# The history is there, with the first commit at the end.
if [ -e "$srcdir/.git" ] || [ -e "$srcdir/CHANGELOG" ]; then
    tar -xzOf "$tmp/first.tar.gz" $dir/CHANGELOG >"$tmp/CHANGELOG" ||
        fail "no CHANGELOG"
    [ -s "$tmp/CHANGELOG" ] || fail "an empty CHANGELOG"
    ! grep -v '^20[0-9][0-9]-[01][0-9]-[0-3][0-9]  [^ ]' "$tmp/CHANGELOG" ||
        fail "strange lines in CHANGELOG"
fi
[ "$(awk '{ print $4, $5 }' "$tmp/list" | sort -u | wc -l)" = 1 ] ||
    fail "several dates"
