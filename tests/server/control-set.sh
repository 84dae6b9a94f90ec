#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram set changes what it says, all of it or nothing, and its effect is
# seen by clients.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io socat

start_nbdkit zram zram 64M mem-limit=2M policy=off

# is LINE...: what the settings are, among others.
is ()
{
    local line
    nbdzram set maintenance-cpu=11% >"$tmp/settings"
    for line; do
        grep -qx -e "$line" "$tmp/settings" ||
            fail "not $line: $(cat "$tmp/settings")"
    done
}
is mem-limit=2097152 policy=off maintenance-cpu=11
nbdzram set policy=on recompress-age=17 recompress-group=off \
    writeback-age=23 writeback-watermark=42% zram0 >"$tmp/settings"
[ "$(wc -l <"$tmp/settings")" = 9 ] || fail "$(cat "$tmp/settings")"
is policy=on recompress-age=17 recompress-group=off writeback-age=23 \
    writeback-watermark=42 mem-limit=2097152
nbdzram set --json policy=no | tr -d ' \n' |
    grep -q '"mem_limit":2097152,"policy":false,'

# A limit: what is above it is refused, until it is lifted.
head -c 4M /dev/urandom >"$tmp/random"
! io "$(uri zram)" "write -s $tmp/random 0 4M" 2>/dev/null ||
    fail "4 MiB in a pool of two"
nbdzram set mem-limit=16M | grep -qx mem-limit=16777216
io "$(uri zram)" "write -s $tmp/random 0 4M"
[ "$(nbdzram status -bn --raw -o MEM-LIMIT)" = 16777216 ] || fail "status"
# Less than there is: nothing is lost, nothing more is taken.
nbdzram set mem-limit=2M >/dev/null 2>"$tmp/out"
grep -q '^nbdzram set: mem-limit: 4[.0-9]*M are held already' "$tmp/out" ||
    fail "a limit below what is held: $(cat "$tmp/out")"
io_fails "$(uri zram)" "write -s $tmp/random 8M 1M" || fail "above the limit"
nbdcopy "$(uri zram)" "$tmp/copy"
cmp -n 4194304 "$tmp/copy" "$tmp/random"
io "$(uri zram)" "discard 0 4M" "write -s $tmp/random 8M 1M"
nbdzram set mem-limit=0 >/dev/null 2>"$tmp/out"
[ ! -s "$tmp/out" ] || fail "no limit: $(cat "$tmp/out")"
io "$(uri zram)" "write -s $tmp/random 16M 4M"

# ---- the algorithm ----

{ seq 100000 999999 || :; } | head -c 256K >"$tmp/text"
codec_of ()
{
    nbdzram pages -n --range "$1" | awk '{ print $5 }'
}
io "$(uri zram)" "discard 0 64M" "write -s $tmp/text 0 256k"
[ "$(codec_of 0)" = lz4 ] || fail "$(codec_of 0)"
nbdzram set policy=off >/dev/null   # or it may be faster than this test
nbdzram set algorithm=lz4hc:level=4 mem-limit=16M >"$tmp/settings"
is algorithm=lz4hc:level=4 mem-limit=16777216
[ "$(nbdzram status -n --raw -o ALGORITHM)" = lz4hc ] || fail "status"
io "$(uri zram)" "write -s $tmp/text 256k 256k"
[ "$(codec_of 0) $(codec_of 64)" = 'lz4 lz4hc' ] ||
    fail "$(codec_of 0) $(codec_of 64)"
nbdzram recompress --type stale >/dev/null
[ "$(codec_of 0)" = lz4hc ] || fail "a stale page is $(codec_of 0)"
nbdcopy "$(uri zram)" "$tmp/copy"
cmp -n 262144 "$tmp/copy" "$tmp/text"
cmp -n 262144 -i 262144:0 "$tmp/copy" "$tmp/text"

# ---- nothing is changed ----

# refused PATTERN REQUEST
refused ()
{
    nbdzram set maintenance-cpu=11 >"$tmp/before"
    ask zram0 "$2" >"$tmp/reply"
    grep -q "^{\"ok\": false, \"error\": \".*$1" "$tmp/reply" ||
        fail "to '$2': $(cat "$tmp/reply")"
    nbdzram set maintenance-cpu=11 | diff "$tmp/before" - ||
        fail "'$2' has changed it"
}
refused 'nothing to set' '{"verb": "set"}'
refused 'at least' '{"verb": "set", "mem_limit": 1000, "policy": true}'
refused 'from 0 to' '{"verb": "set", "mem_limit": -1}'
refused 'algorithm' '{"verb": "set", "mem_limit": 0, "algorithm": "lz5"}'
refused 'level' '{"verb": "set", "policy": true, "algorithm": "lz4:level=0"}'
refused 'dictionary' \
    '{"verb": "set", "mem_limit": 0, "algorithm": "zstd:dict=/etc/passwd"}'
refused 'from 1 to 100' '{"verb": "set", "policy": true, "maintenance_cpu": 0}'
refused 'from 0 to 99' '{"verb": "set", "writeback_watermark": 100}'
refused 'from 1 to' '{"verb": "set", "recompress_age": 0}'
refused 'true or false' '{"verb": "set", "mem_limit": 0, "policy": "on"}'
refused 'no key' '{"verb": "set", "mem_limit": 0, "page_size": 8192}'
refused 'started with backing=' \
    '{"verb": "set", "writeback_limit": 5, "mem_limit": 4194304}'
refused 'without backing=' '{"verb": "writeback", "type": "idle"}'
refused 'one of' '{"verb": "writeback", "type": "frob"}'

exits 1 'at least' set mem-limit=4K
exits 1 'without backing=' writeback --type huge
exits 2 'KEY=VALUE is missing' set zram0
exits 2 'neither KEY=VALUE' set zram0 other policy=on
exits 2 'unknown setting frob; try: ' set frob=1
exits 2 'unknown setting mem-limt: did you mean mem-limit;' set mem-limt=1M
exits 2 'page-size can.t be set while' set page-size=4K
exits 2 "policy: 'maybe' is neither on nor off" set policy=maybe
exits 2 "mem-limit: '' ends too early" set mem-limit=
exits 2 "unknown unit 'X'" set mem-limit=1X
exits 2 'not a whole number from 1 to' set recompress-age=1K
exits 2 'not a whole number from 1 to 100' set maintenance-cpu=%
exits 2 'given twice' set policy=on policy=off
exits 2 'which pages' writeback
stop_nbdkit "$pid"
