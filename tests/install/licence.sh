#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each file says what its licence is, near its beginning, if it can have a
# comment; and the manual says whose copyright it is.
. "${srcdir:-.}/tests/lib/functions.sh"

requires git
cd "$srcdir"
git -c safe.directory='*' ls-files >"$tmp/files" 2>/dev/null ||
    skip "this is no tree of git"
# These have no comments, or are the licence.
cannot='^(COPYING|NEWS|debian/(changelog|copyright|source/format)|.*\.Debian)$'
grep -vE "$cannot" "$tmp/files" >"$tmp/can"
[ "$(wc -l <"$tmp/can")" -gt 300 ] || fail "too few files"
while read -r file; do
    [ ! -e "$file" ] ||
        head -n 10 "$file" |
        grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' ||
        fail "$file does not say what its licence is"
done <"$tmp/can"
for pod in man/*.pod; do
    grep -qx 'Copyright 20[0-9]* the nbdzram contributors\.' "$pod" ||
        fail "$pod does not say whose copyright it is"
done
grep -q '^Copyright: 20[0-9]* the nbdzram contributors$' debian/copyright ||
    fail "debian/copyright"
