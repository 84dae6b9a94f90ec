#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Exports by name: which there are, who may use them, what they may hold.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo nbdcopy socat jq

# of NAME FIELD: what the server says of an export.
of ()
{
    ask zram0 '{"verb": "status"}' |
        jq -r ".devices[] | select(.name == \"$1\") | .$2"
}

sizes () { nbdinfo --size "$1"; }
names () { nbdinfo --list --json "$(uri zram)" | jq -r '.exports[]."export-name"'; }

# begins_with URI FILE: of a megabyte.
begins_with ()
{
    rm -f "$tmp/copy"
    nbdcopy "$1" "$tmp/copy" && cmp -n 1048576 "$tmp/copy" "$2"
}

# ---- without names, each means the same ----

start_nbdkit zram zram 64M
[ "$(sizes "$(uri zram any)")" = 67108864 ] || fail "any"
stop_nbdkit "$pid"

# ---- by name ----

new_pool
cat >"$tmp/exports" <<'END'
# a comment

 file:size=3M
two words:colon:size=5M:quota=1M
END
named=(export=a:size=1G:quota=2M export=tiny:size=1 exports="$tmp/exports"
       'export=ünï/../x:size=4096' pool="$pool")
start_nbdkit zram zram 64M "${named[@]}"
diff <(names) - <<'END'

a
tiny
file
two words:colon
ünï/../x
END
nbdinfo --list "$(uri zram)" | grep -q 'description: nbdzram pool' ||
    fail "no descriptions"
[ "$(sizes "$(uri zram a)")" = 1073741824 ] || fail "a"
[ "$(sizes "$(uri zram 'two%20words:colon')")" = 5242880 ] || fail "two words"
[ "$(sizes "$(uri zram '%C3%BCn%C3%AF%2F..%2Fx')")" = 4096 ] || fail "x"
[ "$(sizes "$(uri zram)")" = 67108864 ] || fail "nameless"
for name in b A 'a%20' %FF "$(printf 'n%.0s' {1..4000})"; do
    nbdinfo --size "$(uri zram "$name")" >"$tmp/out" 2>&1 &&
        fail "$name is there: $(cat "$tmp/out")"
done

nbdinfo --size "$(uri zram '%0Anbdkit:%20error:%20forged%1B%5B2J')" \
    >"$tmp/out" 2>&1 && fail "a name with control characters"
grep -q '^nbdkit: error: forged\|\x1b' "$tmp/zram.log" && fail "a forged line"

# Each its own pages.
head -c 1M /dev/urandom >"$tmp/one"
head -c 1M /dev/urandom >"$tmp/two"
nbdcopy "$tmp/one" "$(uri zram a)"
nbdcopy "$tmp/two" "$(uri zram file)"
io "$(uri zram)" "read -P 0 0 1M"
begins_with "$(uri zram file)" "$tmp/two"

# No more than the quota; others go on.
io_fails "$(uri zram a)" "write -s $tmp/two 1M 1M"
head -c 4M /dev/urandom >"$tmp/four"
head -c 3M "$tmp/four" >"$tmp/three"
nbdcopy "$tmp/four" "$(uri zram)"
[ "$(of a held)" -le 2097152 ] || fail "a holds $(of a held)"
[ "$(of a held)" -gt 1900000 ] || fail "a holds only $(of a held)"
[ "$(of a failed)" -gt 0 ] && [ "$(of file failed)" = 0 ] || fail "failed"
[ "$(of file write_bytes)" = 1048576 ] || fail "$(of file write_bytes)"
# That is said once, whatever others do meanwhile.
for i in 1 2 3; do
    io "$(uri zram file)" "write -s $tmp/two 0 1M"
    io_fails "$(uri zram a)" "write -s $tmp/two 1M 1M"
done
[ "$(grep -c "the export's quota is used up" "$tmp/zram.log")" = 1 ] ||
    fail "said why $(grep -c 'quota is used up' "$tmp/zram.log") times"
begins_with "$(uri zram a)" "$tmp/one"

# ---- while it runs ----

# replies PATTERN REQUEST
replies ()
{
    ask zram0 "$2" >"$tmp/reply"
    grep -q "$1" "$tmp/reply" || fail "to $2: $(cat "$tmp/reply")"
}
replies '"ok": true' '{"verb": "export-add", "name": "new", "settings": "size=8M:quota=4M"}'
replies 'there is an export ..new.. already' '{"verb": "export-add", "name": "new", "settings": "size=8M"}'
replies 'needs size=' '{"verb": "export-add", "name": "newer"}'
replies 'is said twice' '{"verb": "export-add", "name": "n", "settings": "size=8M:size=9M"}'
replies 'has the unknown word' '{"verb": "export-add", "name": "n", "settings": "size=x"}'
replies 'has an unexpected' '{"verb": "export-add", "name": "n", "settings": "size=8M:quotas=9M"}'
replies 'has size=, quota=' '{"verb": "export-add", "name": "n", "settings": "quotas=9M"}'
replies 'without control' '{"verb": "export-add", "name": "a\nb", "settings": "size=8M"}'
replies 'without control' '{"verb": "export-add", "name": "a\u009bb", "settings": "size=8M"}'
replies 'up to 255' "{\"verb\": \"export-add\", \"name\": \"$(printf 'n%.0s' {1..256})\", \"settings\": \"size=8M\"}"
replies 'there is no export' '{"verb": "export-remove", "name": "newer"}'
replies 'there is no export' '{"verb": "export-resize", "name": "newer", "size": 1}'
replies 'from 1' '{"verb": "export-resize", "name": "new", "size": 0}'
replies 'from 1 byte to 1 PiB' '{"verb": "export-resize", "name": "new", "size": 1125899906842625}'
nbdcopy "$tmp/three" "$(uri zram new)"
replies '"ok": true' '{"verb": "export-resize", "name": "new", "size": 1099511627776}'
[ "$(sizes "$(uri zram new)")" = 1099511627776 ] || fail "not resized"
io "$(uri zram new)" "read -P 0 1023G 1M"

# Who uses it keeps it; or is cut.
mkfifo "$tmp/hold"
qemu-io -f raw "$(uri zram new)" <"$tmp/hold" >"$tmp/held" 2>&1 &
client=$!
servers+=("$client")
exec 9>"$tmp/hold"
echo 'read 0 4k' >&9
eventually grep -q ops "$tmp/held"
[ "$(of new connections)" = 1 ] || fail "connections"
replies 'in use: 1 connection' '{"verb": "export-remove", "name": "new"}'
replies 'in use' '{"verb": "export-resize", "name": "new", "size": 4096}'
held=$(ask zram0 '{"verb": "status"}' | jq .statistics.mem_used_total)
replies '"connections": 1' '{"verb": "export-remove", "name": "new", "force": true}'
now=$(ask zram0 '{"verb": "status"}' | jq .statistics.mem_used_total)
[ "$now" -lt $((held - 2000000)) ] || fail "its memory stays: $held, $now"
nbdinfo --size "$(uri zram new)" >"$tmp/out" 2>&1 && fail "still there"
# Another of the same name is another, and empty.
replies '"ok": true' '{"verb": "export-add", "name": "new", "settings": "size=8M"}'
io "$(uri zram new)" "read -P 0 0 8M"
echo 'write 0 4k' >&9
echo 'read 0 4k' >&9
eventually grep -qi 'failed\|error' "$tmp/held"
exec 9>&-
wait "$client" || :
io "$(uri zram new)" "read -P 0 0 8M" "write -P 7 0 4k"

# ---- what was there is there again, without being said ----

description=$(nbdinfo --list --json "$(uri zram)" | jq -c '[.exports[] | {"export-name", description}]')
kill -9 "$pid"
wait "$pid" 2>/dev/null || :
start_nbdkit zram zram exports=auto export-size=16M max-exports=10 \
    pool="$pool"
[ "$(nbdinfo --list --json "$(uri zram)" | jq -c '[.exports[] | {"export-name", description}]')" = "$description" ] ||
    fail "other exports than before"
begins_with "$(uri zram a)" "$tmp/one"
io "$(uri zram new)" "read -P 7 0 4k"
[ "$(of a quota)" = 2097152 ] || fail "its quota is gone"
io_fails "$(uri zram a)" "write -s $tmp/two 4M 1M"

# ---- as they are asked for ----

for n in 8 9 10; do
    [ "$(sizes "$(uri zram "auto$n")")" = 16777216 ] || fail "auto$n"
done
for name in auto11 %FF%FE; do
    nbdinfo --size "$(uri zram $name)" >"$tmp/out" 2>&1 && fail "$name came"
done
grep -q 'there are 10 already' "$tmp/zram.log" || fail "not said why"
io "$(uri zram auto8)" "write -P 1 0 1M"
io "$(uri zram auto9)" "read -P 0 0 1M"
io "$(uri zram auto8)" "read -P 1 0 1M"
stop_nbdkit "$pid"

# The size that the pool has goes before.
start_nbdkit zram zram export=auto8:size=1M:bandwidth=1M pool="$pool"
eventually grep -q 'auto8: has 16777216 bytes' "$tmp/zram.log" || fail "not said"
[ "$(sizes "$(uri zram auto8)")" = 16777216 ] || fail "auto8"

# ---- bandwidth ----

time=$(milliseconds nbdcopy "$tmp/four" "$(uri zram auto8)")
[ "$time" -ge 3500 ] || fail "4M at 1M a second in $time ms"
# Others are not slowed by that: nor is a stop.
stop_nbdkit "$pid"

# What somebody waited for who is gone, the next one need not wait for.  (One
# thread: nbdkit 1.32 may end where several answer one who is gone.)
start_nbdkit zram -t 1 zram export=slow:size=64M:bandwidth=64K
head -c 16M /dev/urandom >"$tmp/many"
nbdcopy --connections=16 --threads=16 --request-size=524288 \
    "$tmp/many" "$(uri zram slow)" 2>"$tmp/killed.log" &
client=$!
servers+=("$client")
connected () { [ "$(of slow connections)" -ge "$1" ]; }
eventually connected 16 || fail "not connected"
sleep 1
kill $client
wait $client || :
io "$(uri zram slow)" "write -P 1 0 4k" &
client=$!
servers+=("$client")
eventually has_ended $client || fail "it waits for another one's requests"
wait $client
stop_nbdkit "$pid"

# ---- addresses ----

start_tcp zram 127.0.0.1 zram export=far:size=1M:allow=192.0.2.1,2001:db8::/32 \
    export=near:size=1M:allow=127.0.0.0/8 export=all:size=2M
far=nbd://127.0.0.1:$port
[ "$(sizes "$far/near")" = 1048576 ] && [ "$(sizes "$far/all")" = 2097152 ] ||
    fail "refused"
[ "$(sizes "$far")" = 1048576 ] || fail "no name is not the first I may use"
nbdinfo --size "$far/far" >"$tmp/out" 2>&1 && fail "far let me in"
[ "$(nbdinfo --list --json "$far" | jq -r '.exports[]."export-name"' |
     tr '\n' ' ')" = "near all " ] || fail "the list tells too much"
stop_nbdkit "$pid"

# ---- algorithms ----

# codecs EXPORT: by which its pages are compressed.
codecs ()
{
    ask zram0 '{"verb": "pages", "device": "'"$1"'"}' |
        jq -r '.pages[].codec' | sort | uniq -c | xargs
}

new_pool
for n in {1..500}; do
    echo "$n: the same words on every line, but for $((n * n * n))"
done >"$tmp/text"
truncate -s 16K "$tmp/text"
echo 'filed:algorithm=lz4hc:size=1M' >"$tmp/exports"
own=(export=a:size=1M
     "export=b:size=1M:algorithm=lz4hc:level=4:allow=192.0.2.0/24,::1"
     export=c:algorithm=lz4:level=3:size=1M exports="$tmp/exports")
start_nbdkit zram zram "${own[@]}" pool="$pool"
replies '"ok": true' '{"verb": "export-add", "name": "d", "settings": "size=1M:algorithm=lz4hc"}'
[ "$(for export in a b c filed d; do of $export algorithm; done | xargs)" = \
    "lz4hc:level=4 lz4:level=3 lz4hc:level=9 lz4hc:level=9" ] ||
    fail "$(ask zram0 '{"verb": "status"}')"
[ "$(of a algorithm)" = "" ] && [ "$(of b allow)" = 192.0.2.0/24,::1 ] ||
    fail "a $(of a algorithm), b $(of b allow)"
for export in a b d; do
    io "$(uri zram $export)" "write -s $tmp/text 0 16k"
done
[ "$(codecs a)$(codecs b)$(codecs d)" = "4 lz44 lz4hc4 lz4hc" ] ||
    fail "$(codecs a), $(codecs b), $(codecs d)"

# The server's changes for those that have none.
replies '"ok": true' '{"verb": "set", "algorithm": "lz4hc:level=2", "policy": false}'
for export in a c; do
    io "$(uri zram $export)" "write -s $tmp/text 64k 16k"
done
[ "$(codecs a)$(codecs c)" = "4 lz4 4 lz4hc4 lz4" ] ||
    fail "$(codecs a), $(codecs c)"

replies "unknown algorithm 'zip': valid are lz4" '{"verb": "export-add", "name": "n", "settings": "size=8M:algorithm=zip"}'
replies "level '13' is not valid: 1 (fastest) to 12" '{"verb": "export-add", "name": "n", "settings": "size=8M:algorithm=lz4hc:level=13"}'
replies 'has no dictionary' '{"verb": "export-add", "name": "n", "settings": "size=8M:algorithm=zstd:dict=/etc/passwd"}'
replies 'is said twice' '{"verb": "export-add", "name": "n", "settings": "algorithm=lz4:algorithm=lz4:size=8M"}'
for level in {11..15}; do
    replies '"ok": true' "{\"verb\": \"export-add\", \"name\": \"$level\", \"settings\": \"size=8M:algorithm=lz4:level=$level\"}"
done
replies 'exports have 8 other algorithms already' '{"verb": "export-add", "name": "n", "settings": "size=8M:algorithm=lz4:level=16"}'
replies '"ok": true' '{"verb": "export-add", "name": "also", "settings": "size=8M:algorithm=lz4:level=15"}'
replies '"ok": true' '{"verb": "export-remove", "name": "11"}'
replies '"ok": true' '{"verb": "export-add", "name": "n", "settings": "size=8M:algorithm=lz4:level=16"}'
nbdinfo --list --json "$(uri zram)" >"$tmp/out"

# The pool keeps them; what the parameters say goes before, and in a pool that
# has them all, before what is new.
kill -9 "$pid"
wait "$pid" 2>/dev/null || :
refuses 'export=e: exports have 8 other algorithms already' \
    zram pool="$pool" export=e:size=1M:algorithm=lz4:level=40
start_nbdkit zram zram export=b:algorithm=lz4:level=15 pool="$pool"
[ "$(for export in b d 12 n; do of $export algorithm; done | xargs)" = \
    "lz4:level=15 lz4hc:level=9 lz4:level=12 lz4:level=16" ] ||
    fail "$(ask zram0 '{"verb": "status"}')"
nbdinfo --size "$(uri zram e)" >"$tmp/out" 2>&1 && fail "e stayed"
for export in a b d; do
    nbdcopy "$(uri zram $export)" "$tmp/copy"
    cmp -n 16384 "$tmp/copy" "$tmp/text"
    io "$(uri zram $export)" "write -s $tmp/text 32k 16k"
done
[ "$(codecs b)$(codecs d)" = "4 lz4 4 lz4hc8 lz4hc" ] ||
    fail "$(codecs b), $(codecs d)"
replies '"ok": true' '{"verb": "export-add", "name": "e", "settings": "size=8M:algorithm=lz4:level=41"}'
stop_nbdkit "$pid"

# No memory for it: the others go on.
start_nbdkit zram zram export=a:size=1M:algorithm=lz4:level=2 mem-limit=2M
io "$(uri zram a)" "write -s $tmp/text 0 16k"
if nbdkit_zram --dump-plugin zram | grep -q '^zram_deflate=yes'; then
    replies 'no memory for it and its algorithm' '{"verb": "export-add", "name": "n", "settings": "size=8M:algorithm=deflate:level=12"}'
    nbdinfo --size "$(uri zram n)" >"$tmp/out" 2>&1 && fail "n is there"
fi
io "$(uri zram a)" "write -s $tmp/text 16k 16k"
stop_nbdkit "$pid"

# ---- refusals ----

refuses 'needs size=' zram export=a
refuses 'is given twice' zram export=a:size=1M export=a:size=1M
refuses "size: '1X' has the unknown unit" zram export=a:size=1X
refuses 'must be at least 256K' zram export=a:size=1M:quota=1
refuses "unknown algorithm 'zip': valid are lz4" \
    zram export=a:size=1M:algorithm=zip
refuses "level '99' is not valid" zram export=a:algorithm=lz4hc:level=99:size=1M
refuses 'has no dictionary' zram export=a:size=1M:algorithm=zstd:dict=auto
if nbdkit_zram --dump-plugin zram | grep -q '^zram_deflate=yes'; then
    refuses 'export=: no memory for it and its algorithm' \
        zram 1M export=:algorithm=deflate:level=12 mem-limit=2M
fi
own=()
for n in {1..9}; do
    own+=("export=$n:size=1M:algorithm=lz4:level=$n")
done
refuses 'export=9: exports have 8 other algorithms already' zram "${own[@]}"
refuses 'dedup=pool' zram export=a:size=1M:quota=1M dedup=pool
refuses 'requires export-size=' zram exports=auto
refuses "export-quota: '1' is 1 bytes, and must be at least 256K" \
    zram exports=auto export-size=1M export-quota=1
refuses 'export-quota: .*dedup=pool' \
    zram exports=auto export-size=1M export-quota=1M dedup=pool
refuses 'require exports=auto' zram 1M max-exports=3
refuses 'No such file' zram exports=/nonexistent
echo 'a:size=1M:nonsense=2' >"$tmp/exports"
refuses 'line 1' zram exports="$tmp/exports"
