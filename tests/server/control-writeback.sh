#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram writeback moves the pages it is told to, and they read the same.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io

head -c 256K /dev/urandom >"$tmp/random"
{ seq 100000 999999 || :; } | head -c 256K >"$tmp/text"
cat "$tmp/random" "$tmp/text" >"$tmp/all"
start_nbdkit zram zram 64M policy=off backing="$tmp/backing" backing-size=16M
io "$(uri zram)" "write -s $tmp/all 0 512k"

# counts STATE-LETTER: pages of this state.
counts ()
{
    nbdzram pages -n | awk -v l="$1" 'index ($3, l) { n++ } END { print n + 0 }'
}
column ()
{
    nbdzram status -bn --raw -o "$1"
}

# What may still be written back, in KiB.
room ()
{
    ask zram0 '{"verb": "usage"}' | sed -n 's/.*"backing_room": \([0-9]*\).*/\1/p' |
        awk '{ print int ($1 / 1024) }'
}

[ "$(column BACKING)" = ok ] || fail "$(column BACKING)"
empty=$(room)
[ "$empty" -gt $((15 * 1024)) ] && [ "$empty" -le $((16 * 1024)) ] ||
    fail "room for ${empty}K"
before=$(column COMPR)
nbdzram writeback --type huge_idle | grep -q '^0 of 0 pages'
nbdzram idle all >/dev/null
nbdzram writeback --range 0-7 | grep -q '^8 of 8 pages written back'
[ "$(counts w)" = 8 ] && [ "$(column BACKED)" = 8 ] || fail "$(nbdzram pages)"
nbdzram writeback --type huge >/dev/null
[ "$(counts w)" = 64 ] || fail "$(counts w) pages"
nbdzram writeback --type=idle --json | tr -d ' \n' |
    grep -q '"written_pages":64,'
[ "$(counts w)" = 128 ] && [ "$(column BACKED)" = 128 ] || fail "$(counts w)"
[ "$before" -gt $((256 * 1024)) ] && [ "$(column COMPR)" = 0 ] ||
    fail "objects of $(column COMPR) bytes, before $before"

[ "$(room)" -lt $((empty - 256)) ] && [ "$(room)" -gt $((empty - 1024)) ] ||
    fail "room for $(room)K, and $empty before"

nbdcopy "$(uri zram)" "$tmp/copy"
cmp -n 524288 "$tmp/copy" "$tmp/all"

# A day's limit, changed while it runs.
io "$(uri zram)" "write -s $tmp/all 0 512k"
nbdzram set writeback-limit=64K | grep -qx writeback-limit=65536
code=0
nbdzram writeback --type huge >"$tmp/out" 2>&1 || code=$?
[ $code = 1 ] && grep -q 'writeback-limit is used up' "$tmp/out" ||
    fail "$code: $(cat "$tmp/out")"
[ "$(room)" -lt 64 ] || fail "room for $(room)K today"
[ "$(counts w)" -le 20 ] || fail "$(counts w) pages in 64K"
nbdzram set writeback-limit=0 >/dev/null
nbdzram writeback --type huge >/dev/null
nbdcopy "$(uri zram)" "$tmp/copy"
cmp -n 524288 "$tmp/copy" "$tmp/all"
# What is set is enough for the backing file, too.
exits 1 'must be 0 or at least' set mem-limit=512K
least=$(sed 's/.*at least //' "$tmp/out")
exits 1 'must be 0 or at least' set "mem-limit=$((least - 1))"
nbdzram set "mem-limit=$least" >/dev/null
stop_nbdkit "$pid"
