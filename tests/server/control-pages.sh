#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Verbs that look at pages and change how they are kept, by their effect.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io socat python3 jq
requires_algorithm zstd || skip "built without zstd"

# Pages 0-15 text, 16-23 random, 24-31 of one word, 32-39 zeroes.
{ seq 1000 100000 || :; } | head -c 64K >"$tmp/text"
head -c 32K /dev/urandom >"$tmp/random"
start_nbdkit zram zram 64M recompress=zstd:level=3
io "$(uri zram)" "write -s $tmp/text 0 64k" "write -s $tmp/random 64k 32k" \
    "write -P 255 96k 32k" "write -P 0 128k 32k"
head -c 64K "$tmp/text" >"$tmp/expected"
cat "$tmp/random" >>"$tmp/expected"

# statistic NAME
statistic ()
{
    nbdzram status --json | jq ".. | objects | .statistics.$1 // empty"
}

# states RANGE: what is said of their state, one word for each page.
states ()
{
    nbdzram pages -n --range "$1" | awk '{ printf "%s ", $3 }'
}

# same A B
same ()
{
    [ "$1" = "$2" ] || fail "'$1' is not '$2'"
}

# ---- pages ----

same "$(nbdzram pages | head -n 1 | tr -s ' ')" ' PAGE AGE STATE BYTES CODEC'
same "$(nbdzram pages -n | wc -l)" 40
same "$(states 14-16)" '........ ........ ..h..... '
same "$(states 23-24)" '..h..... s....... '
same "$(states 39-)" 's....... '
same "$(states 40-)" ''
same "$(nbdzram pages -n --range 3 | awk '{ print $1, $5 }')" '3 lz4'
nbdzram pages --json --range 15-16 | python3 -c '
import json, sys
p = json.load (sys.stdin)["pages"]
assert [x["index"] for x in p] == [15, 16], p
assert p[0]["state"] == [] and p[0]["codec"] == "lz4", p
assert 0 < p[0]["bytes"] < 3000 and p[1]["bytes"] == 4096, p
assert p[1]["state"] == ["huge"] and p[1]["codec"] is None, p
assert p[0]["age"] >= 0, p'
same "$(nbdzram pages --json --range 40-50)" '{"pages": []}'
ask zram0 '{"verb": "pages", "count": 3, "first": 38}' >"$tmp/reply"
grep -q '"next": 16384, "end": 16384' "$tmp/reply" || fail "$(cat "$tmp/reply")"
ask zram0 '{"verb": "pages", "count": 3, "first": 30}' |
    grep -q '"next": 33, "end": 16384'
# 40 pages are stored, 16 to 23 of them random.
usage ()
{
    ask zram0 "{\"verb\": \"usage\"$1}"
}
usage '' | grep -q '"stored": 40, "page_size": 4096' || fail "$(usage '')"
usage ', "first": 14, "end": 41' | grep -q '"stored": 26,'
usage ', "first": 40' | grep -q '"stored": 0,'
usage ', "first": 3, "end": 3' | grep -q '"stored": 0,'
usage ', "end": 16385' | grep -q '16384 pages'
# Many replies in a row.
nbdzram pages -n --range 0-16383 | wc -l | grep -qx 40

# ---- idle, recompress ----

nbdzram idle all | grep -qx '24 pages are idle'
same "$(states 15-16)" '...i.... ..hi.... '
io "$(uri zram)" "read 0 4k" "write -s $tmp/random 68k 4k"
same "$(states 0-1)" '........ ...i.... '
same "$(states 16-18)" '..hi.... ..h..... ..hi.... '

before=$(statistic mem_used_total)
nbdzram recompress --type huge_idle >"$tmp/out"
grep -q '^0 of 7 pages recompressed, 0B saved; 7 found incompressible$' \
    "$tmp/out" || fail "$(cat "$tmp/out")"
same "$(states 16-18)" '..hi.n.. ..h..... ..hi.n.. '
nbdzram recompress --type idle --threshold 1M | grep -q '^0 of 0 pages'
nbdzram recompress --type=idle --max-pages=5 --range 0-7 >"$tmp/out"
nbdzram recompress --json | python3 -c '
import json, sys
r = json.load (sys.stdin)
assert r["ok"] and r["tried_pages"] >= 1 and r["saved_bytes"] >= 0, r'
nbdzram recompress --group >"$tmp/out"
same "$(states 1-3)" '....r.g. ....r.g. ....r.g. '
same "$(nbdzram pages -n --range 3 | awk '{ print $5 }')" zstd
[ "$(statistic group_pages)" -ge 2 ] || fail "no groups"
[ "$(statistic mem_used_total)" -le "$((before + 65536))" ] ||
    fail "it takes more"
nbdcopy --synchronous --connections=1 "$(uri zram)" - | head -c 96K >"$tmp/got" || :
head -c 64K "$tmp/got" | cmp - "$tmp/text"

# ---- trim-empty, reset ----

same "$(statistic same_pages)" 16
nbdzram trim-empty | grep -qx '8 pages trimmed'
same "$(statistic same_pages)" 8
same "$(states 31-33)" 's....... '
nbdzram trim-empty | grep -qx '0 pages trimmed'

same "$(nbdzram reset 2>&1 || :)" \
    'nbdzram reset: say which server, by NAME or --control; try: nbdzram reset --help'
# While a client is there, nothing is lost.
mkfifo "$tmp/hold"
qemu-io -f raw "$(uri zram)" <"$tmp/hold" >"$tmp/held" &
servers+=("$!")
exec 9>"$tmp/hold"
echo 'read 0 4k' >&9
eventually grep -q ops "$tmp/held"
same "$(nbdzram reset --yes zram0 2>&1 || :)" \
    'nbdzram: zram0: the disk is in use: 1 connection'
[ "$(statistic orig_data_size)" -gt 0 ] || fail "data lost"
exec 9>&-
eventually nbdzram reset --yes zram0 2>/dev/null ||
    fail "$(nbdzram reset --yes zram0 2>&1)"
same "$(statistic orig_data_size)" 0
same "$(nbdzram pages -n | wc -l)" 0
io "$(uri zram)" "read -P 0 0 64M" "write -s $tmp/text 0 64k"

# ---- what can't be ----

# says PATTERN REQUEST
says ()
{
    ask zram0 "$2" >"$tmp/reply"
    [ "$(wc -l <"$tmp/reply")" = 1 ] &&
        grep -q "^{\"ok\": false, \"error\": \".*$1" "$tmp/reply" ||
        fail "to '$2': $(cat "$tmp/reply")"
}
says 'only 16384 pages' '{"verb": "pages", "end": 16385}'
says 'first.*above' '{"verb": "pages", "first": 16385}'
says 'first.*above' '{"verb": "pages", "first": 5, "end": 4}'
says 'from 0 to' '{"verb": "pages", "first": -1}'
says 'from 1 to 4096' '{"verb": "pages", "count": 0}'
says 'from 1 to 4096' '{"verb": "pages", "count": 4097}'
says 'whole number' '{"verb": "pages", "count": 1.5}'
says 'whole number' '{"verb": "pages", "count": "1"}'
says 'no device' '{"verb": "pages", "device": "x"}'
says 'must be a string' '{"verb": "pages", "device": null}'
says 'idle needs' '{"verb": "idle"}'
says 'from 0 to' '{"verb": "idle", "age": -1}'
says 'not JSON' '{"verb": "idle", "age": 1e999}'
says 'one of: all, idle, huge, huge_idle' '{"verb": "recompress", "type": "x"}'
says 'from 1 to 3' '{"verb": "recompress", "priority": 4}'
says 'no algorithm of priority 2' '{"verb": "recompress", "priority": 2}'
says 'true or false' '{"verb": "recompress", "group": 1}'
says 'without' '{"verb": "recompress", "group": true, "threshold": 3000}'
says 'only 16384 pages' '{"verb": "recompress", "end": 99999}'

exits 1 'only 16384 pages' pages --range 0-16384
exits 2 'ends before it begins' pages --range 5-4
for range in '' - x 1-x 1-2-3 -5 1--2 99999999999999999999; do
    exits 2 'neither FIRST-LAST nor FIRST-' pages --range "$range"
done
exits 2 'which pages' idle
for age in 0 -1 x 1.5 all,1; do exits 2 '\(neither\|unknown option\)' idle "$age"; done
exits 2 'not a size' recompress --threshold x
exits 1 'one of' recompress --type frob
exits 1 'no algorithm of priority 3' recompress --priority 3
stop_nbdkit "$pid"

# Without the parameter there is nothing to recompress with.
start_nbdkit plain zram 1M
exits 1 'started without recompress=' recompress
[ "${NBDZRAM_PRELOAD:-}" ] || {
    refuses 'at most 3' zram 1M recompress=lz4 recompress=lz4 recompress=lz4 \
        recompress=lz4
    refuses 'recompress=lz5' zram 1M recompress=lz5
}
