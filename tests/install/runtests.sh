#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# runtests checks all its arguments before it does anything, takes --minutes
# anywhere, and tests a copy of a tree that was configured in place.
. "${srcdir:-.}/tests/lib/functions.sh"

# A tree in which nothing can be built, and nothing is missing.
top=$tmp/tree
mkdir -p "$top/tests/lib" "$top/scripts"
cp "$srcdir/runtests" "$srcdir/quickstart" "$top"
cp "$srcdir/scripts/packages.sh" "$srcdir/scripts/fresh-debian" "$top/scripts"
cp "$srcdir/tests/lib/run-test" "$top/tests/lib"
echo 'missing_of () { :; }' >>"$top/scripts/packages.sh"
unset NBDZRAM_FRESH
export NBDZRAM_UNTIL=1          # nothing begins, whatever is accepted

# says CODE PATTERN COMMAND...
says ()
{
    local wanted=$1 pattern=$2 code=0
    shift 2
    "$top/$1" "${@:2}" >"$tmp/out" 2>&1 || code=$?
    [ $code = "$wanted" ] || fail "$*: $code: $(cat "$tmp/out")"
    grep -q -e "$pattern" "$tmp/out" ||
        fail "$* does not say '$pattern': $(cat "$tmp/out")"
}

says 2 "unknown suite chekc; try: .* --help" runtests chekc
says 2 "unknown suite chekc" runtests --minutes 0 check chekc
says 2 "unknown option --minute" runtests check --minute 1
for words in '--minutes' '--minutes x' 'check --minutes' 'check --minutes=1.5' \
        '--minutes -3 check' '--minutes='; do
    # shellcheck disable=SC2086
    says 2 "minutes needs a number" runtests $words
    [ "$(wc -l <"$tmp/out")" = 1 ] || fail "it goes on: $(cat "$tmp/out")"
done
says 0 'sudo ./runtests \[--minutes' runtests --help
for words in '--minutes 0 check' 'check --minutes 0' 'check --minutes=0'; do
    # shellcheck disable=SC2086
    says 0 'SKIP: check (no time left)' runtests $words
    tail -n 1 "$tmp/out" | grep -qx '0 passed, 0 failed, 1 skipped' ||
        fail "$words: $(cat "$tmp/out")"
done

printf 'distclean:\n\trm config.status\n' >"$top/Makefile"
echo x >"$top/config.status"
says 0 'configured in place' runtests check --minutes 0
grep -q 'SKIP: check (no time left)' "$tmp/out" || fail "$(cat "$tmp/out")"
[ -e "$top/config.status" ] || fail "the tree itself was cleaned"

says 2 "unknown option --lvie" quickstart --lvie
says 0 'quickstart \[--live\]' quickstart --help

# ---- whose the files are ----

[ "$(id -u)" = 0 ] || exit 0
mkdir "$top/build"
: >"$top/build/file"
chown 65534:65534 "$top"
(. "$top/scripts/packages.sh" && give_to_owner)
[ "$(stat -c %u:%g "$top/build/file")" = 65534:65534 ] ||
    fail "root owns what it built in another's tree"
