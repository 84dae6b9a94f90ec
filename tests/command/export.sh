#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Many exports over one pool, as the command adds, shows, resizes and removes
# them while clients are there.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io nbdinfo nbdcopy python3 jq

# where EXPORT: its URI, with the name as URIs have it.
where ()
{
    uri many "$(python3 -c 'import sys, urllib.parse
print (urllib.parse.quote (sys.argv[1], safe=""))' "$1")"
}

size_is ()
{
    [ "$(nbdinfo --size "$(where "$1")")" = "$2" ] || fail "$1: not $2"
}

# column EXPORT COLUMN: a cell of the table; of names without blanks.
column ()
{
    nbdzram export list -b --raw -o "EXPORT,$2" |
        awk -v name="$1" '$1 == name { print $2 }'
}

column_is ()
{
    [ "$(column "$1" "$2")" = "$3" ] ||
        fail "$2 of $1 is not $3: $(nbdzram export list)"
}

# metric NAME EXPORT
metric ()
{
    nbdzram metrics | sed -n "s/^nbdzram_$1{server=\"many\",export=\"$2\"} //p"
}

# hold EXPORT: be connected to it until "release".
hold ()
{
    rm -f "$tmp/hold" "$tmp/held"
    mkfifo "$tmp/hold"
    qemu-io -f raw "$(where "$1")" <"$tmp/hold" >"$tmp/held" 2>&1 &
    holder=$!
    servers+=("$holder")
    exec 9>"$tmp/hold"
    echo 'read 0 4k' >&9
    eventually grep -qs ops "$tmp/held" || fail "$(cat "$tmp/held")"
}

release ()
{
    exec 9>&-
    wait "$holder" || :
}

# unused EXPORT: the server knows that its clients have gone.
unused ()
{
    eventually has_no_clients "$1" || fail "$1 is in use"
}

has_no_clients () { [ "$(column "$1" CLIENTS)" = 0 ]; }

start_nbdkit many zram name=many export=a:size=64M \
    export=b:size=32M:quota=1M

# ---- what there is ----

nbdzram export list >"$tmp/list"
[ "$(wc -l <"$tmp/list")" = 3 ] || fail "$(cat "$tmp/list")"
column_is a SIZE $((64 << 20))
column_is a QUOTA 0
column_is b QUOTA $((1 << 20))
size_is b $((32 << 20))
nbdzram status | awk '$1 == "many" && $2 ~ /^[ab]$/ { n++ } END { exit n != 2 }' ||
    fail "$(nbdzram status)"
nbdinfo --list "$(uri many)" >"$tmp/info"
grep -q '^export="a":' "$tmp/info" && grep -q '^export="b":' "$tmp/info" &&
    grep -q 'description: ' "$tmp/info" || fail "$(cat "$tmp/info")"

# ---- add ----

nbdzram export add --size=16M --quota=2M --algorithm=lz4hc c >"$tmp/out"
[ ! -s "$tmp/out" ] || fail "$(cat "$tmp/out")"
size_is c $((16 << 20))
column_is c QUOTA $((2 << 20))
column_is c ALGORITHM lz4hc:level=9
column_is a ALGORITHM -
nbdzram status | grep -q '^many  *c  *lz4hc:level=9 ' || fail "$(nbdzram status)"
[ "$(nbdzram metrics | grep -c '^nbdzram_export_info{server="many",export="\(a",algorithm="lz4:level=1\|c",algorithm="lz4hc:level=9\)"} 1$')" = 2 ] ||
    fail "$(nbdzram metrics | grep export_info)"
nbdzram top --exports --batch --iterations 1 |
    grep -q ' lz4hc:level=9  *c$' || fail "$(nbdzram top --exports --batch -n 1)"
exits 1 "many: .*unknown algorithm 'x'" export add --size=1M --algorithm=x d
io "$(where c)" 'write -P 7 0 64k' 'read -P 7 0 64k'
exits 1 'many: ' export add --size=16M c
io "$(where c)" 'read -P 7 0 64k'
exits 1 'many: ' export add --size=16M --allow=nonsense d
# A message may be cut within a character, and still says why.
long=x$(printf '\303\274%.0s' {1..60})
exits 1 "'x.*?' is neither an address" export add --size=16M --allow="$long" d
! nbdinfo "$(where d)" >/dev/null 2>&1 || fail "d came to be"

# ---- counters ----

head -c 40K /dev/urandom >"$tmp/random"
writes=$(column a WRITES)
read=$(column a READ)
io "$(where a)" "write -s $tmp/random 0 40k" 'write -P 5 64k 8k' \
    'read -P 5 64k 8k' 'discard 64k 8k'
column_is a WRITES $((writes + 2))
column_is a WRITTEN $((48 * 1024))
[ "$(column a TRIMS)" -ge 1 ] || fail "$(nbdzram export list --output-all)"
[ "$(column a READ)" -ge $((read + 8192)) ] || fail "READ"
column_is a DATA 40960
column_is b WRITTEN 0
column_is b DATA 0
[ "$(column a HELD)" -ge 40960 ] || fail "HELD"
[ "$(metric export_written_bytes_total a)" = $((48 * 1024)) ] ||
    fail "$(nbdzram metrics | grep export_)"
[ "$(metric export_data_bytes a)" = 40960 ]
[ "$(metric export_quota_bytes b)" = $((1 << 20)) ]
[ "$(metric disk_size_bytes c)" = $((16 << 20)) ]
nbdzram metrics | python3 "$srcdir/tests/lib/prometheus.py"

# ---- a quota ----

head -c 4M /dev/urandom >"$tmp/more"
fill_up "$(where b)" "$tmp/more"
[ "$(column b HELD)" -le $((1 << 20)) ] || fail "b holds $(column b HELD)"
[ "$(column b ERRORS)" -ge 1 ] && [ "$(column a ERRORS)" = 0 ] ||
    fail "$(nbdzram export list)"
io "$(where a)" "write -s $tmp/more 1M 4M"

# ---- resize ----

unused a
nbdzram export resize --size=128M a >"$tmp/out"
[ ! -s "$tmp/out" ] || fail "$(cat "$tmp/out")"
size_is a $((128 << 20))
io "$(where a)" 'write -P 9 127M 1M' 'read -P 9 127M 1M'
nbdcopy "$(where a)" "$tmp/a"
cmp -n 40960 "$tmp/random" "$tmp/a"
hold a
exits 1 'many: ' export resize --size=256M a
size_is a $((128 << 20))
release
unused a
exits 1 'a: the data after the new end would be lost' \
    export resize --size=64M a
io "$(where a)" 'read -P 9 127M 1M'
unused a
nbdzram export resize --size=64M --force a
size_is a $((64 << 20))
unused a
nbdzram export resize --size=128M a
io "$(where a)" 'read -P 0 64M 64M'
nbdcopy "$(where a)" "$tmp/a"
cmp -n 40960 "$tmp/random" "$tmp/a"
exits 1 'none: there is no such export' export resize --size=1G none
exits 1 'many: ' export resize --size=1G --force none

# ---- remove ----

hold c
column_is c CLIENTS 1
exits 1 'many: ' export remove --yes c
echo 'read -P 7 0 64k' >&9
eventually grep -q 'read 65536/65536' "$tmp/held" || fail "$(cat "$tmp/held")"
nbdzram export remove --force c >"$tmp/out"
grep -qx '1 connection was cut' "$tmp/out" || fail "$(cat "$tmp/out")"
! nbdinfo "$(where c)" >"$tmp/out" 2>&1 || fail "$(cat "$tmp/out")"
release
[ "$(nbdzram export list -n | wc -l)" = 2 ] || fail "$(nbdzram export list)"
exits 1 'many: ' export remove --yes c
# Its memory is free, and its name, of which nothing is left.
nbdzram export add --size=16M c
io "$(where c)" 'read -P 0 0 16M'
column_is c DATA 0
unused c
nbdzram export remove --yes c >"$tmp/out"
[ ! -s "$tmp/out" ] || fail "$(cat "$tmp/out")"

# ---- maintenance of one of them ----

nbdzram pages -n --export a --range 0-9 | wc -l | grep -qx 10
exits 1 'many: there is no device' pages --export c

# ---- names ----

cat >"$tmp/names.py" <<'END'
import json
import sys
for name in (["b c", "q\"uo\\te\\x41", "gr\xf6\xdfe\u2192", "$(touch x)",
              "--force", "a/b", "%41", "x" * 255]):
    sys.stdout.buffer.write (name.encode () + b"\0")
END
mapfile -d '' -t names < <(python3 "$tmp/names.py")
for name in "${names[@]}"; do
    nbdzram export add --size=1M -- "$name" many
    size_is "$name" $((1 << 20))
done
nbdzram export list --json >"$tmp/list"
python3 - "$tmp/list" "${names[@]}" <<'END'
import json
import sys

with open (sys.argv[1]) as f:
    listed = [e["name"] for e in json.load (f)["exports"]]
assert listed == ["a", "b"] + sys.argv[2:], listed
END
io "$(where "${names[1]}")" 'write -P 3 0 8k'
nbdzram metrics | grep -F \
    'export_written_bytes_total{server="many",export="q\"uo\\te\\x41"} 8192' \
    >/dev/null ||
    fail "$(nbdzram metrics | grep written)"
nbdzram metrics | python3 "$srcdir/tests/lib/prometheus.py"
exits 1 'many: ' export add --size=1M "$(printf 'x%.0s' {1..256})"
for name in "${names[@]}"; do
    eventually nbdzram export remove --yes -- "$name" 2>"$tmp/error" ||
        fail "$(cat "$tmp/error")"
done
[ "$(nbdzram export list -n | wc -l)" = 2 ] || fail "$(nbdzram export list)"
nbdzram top --exports --batch --iterations 2 --delay 0.1 | grep -c ' a$' |
    grep -qx 2
stop_nbdkit "$pid"

# ---- as clients ask for them ----

start_nbdkit many zram name=many exports=auto max-exports=2 export-size=4M \
    export-quota=1M
[ "$(nbdzram export list -n | wc -l)" = 0 ] || fail "$(nbdzram export list)"
size_is 'first one' $((4 << 20))
size_is $'\u2192"' $((4 << 20))
! nbdinfo "$(where third)" >"$tmp/info" 2>&1 || fail "$(cat "$tmp/info")"
# No terminal would see this one, either.
! nbdinfo "$(where $'\e[31m\n')" >"$tmp/info" 2>&1 || fail "$(cat "$tmp/info")"
nbdzram export list --raw -n -b -o SIZE,QUOTA | uniq -c |
    grep -qx ' *2 4194304 1048576' || fail "$(nbdzram export list)"
eventually nbdzram export remove --yes 'first one' 2>"$tmp/error" ||
    fail "$(cat "$tmp/error")"
size_is third $((4 << 20))
stop_nbdkit "$pid"

# ---- a pool keeps them ----

new_pool
start_nbdkit many zram name=many pool="$pool" export=a:size=8M
nbdzram export add --size=4M --quota=1M --bandwidth=64M --allow=192.0.2.0/24 \
    --algorithm=lz4:level=3 b
nbdzram export add --size=4M c
io "$(where b)" 'write -P 3 0 64k'
unused b
nbdzram export resize --size=5M b
nbdzram export remove --yes c
nbdzram export list -b --output-all >"$tmp/before"
stop_nbdkit "$pid"
start_nbdkit many zram name=many pool="$pool" export=a:size=8M
for column in SIZE QUOTA DATA BANDWIDTH ALLOW ALGORITHM; do
    for export in a b; do
        echo "$export $column $(column $export $column)"
    done
done >"$tmp/kept"
diff - "$tmp/kept" <<'END' || fail "$(cat "$tmp/before")"
a SIZE 8388608
b SIZE 5242880
a QUOTA 0
b QUOTA 1048576
a DATA 0
b DATA 65536
a BANDWIDTH 0
b BANDWIDTH 67108864
a ALLOW -
b ALLOW 192.0.2.0/24
a ALGORITHM -
b ALGORITHM lz4:level=3
END
io "$(where b)" 'read -P 3 0 64k'
[ "$(nbdzram export list -n | wc -l)" = 2 ] || fail "$(nbdzram export list)"
stop_nbdkit "$pid"

# ---- one without a name, and others for a while ----

start_nbdkit many zram 16M name=many
size_is x $((16 << 20))
nbdzram export add --size=1M --bandwidth=64K x
size_is x $((1 << 20))
# What waits for its turn waits in vain.
io "$(where x)" 'write 0 512k'
(io "$(where x)" 'write -P 7 0 512k' 'write -P 7 0 512k' 2>/dev/null) &
writer=$!
sleep 1
milliseconds nbdzram export remove --force x >"$tmp/took"
wait "$writer" && fail "it was written to after it was removed"
gone_is_gone () { [ "$(ask many '{"verb": "status"}' | jq '.devices | length')" = 1 ]; }
eventually gone_is_gone || fail "it is still there"
# Clients that stay connected are told of no hole where their data were, nor
# that these are safe.
nbdzram export add --size=1M y
exec {client}> >(stdbuf -oL qemu-io -f raw "$(where y)" >"$tmp/client" 2>&1)
exec {others}> >(python3 "$srcdir/tests/lib/clients.py" removed "$tmp/many.sock" y \
                     >"$tmp/others" 2>&1 && echo refused >>"$tmp/others")
echo 'write -P 7 0 64k' >&"$client"
eventually grep -qs wrote "$tmp/client" || fail "$(cat "$tmp/client")"
eventually grep -qs connected "$tmp/others" || fail "$(cat "$tmp/others")"
nbdzram export remove --force y
printf '%s\n' map length >&"$client"
echo >&"$others"
exec {client}>&- {others}>&-
eventually grep -q '> 1 MiB' "$tmp/client" || fail "$(cat "$tmp/client")"
grep -q 'Failed to get allocation status' "$tmp/client" ||
    fail "a removed export has holes: $(cat "$tmp/client")"
eventually grep -q 'refused\|succeeded' "$tmp/others" || fail "no reply"
grep -q refused "$tmp/others" || fail "$(cat "$tmp/others")"
# Who comes back finds nobody else's.
io_fails "$(where x)" 'read 0 4k' || fail "the disk of others"
size_is '' $((16 << 20))
exits 1 'many: .*without a name .*be changed' export remove --force ''
exits 1 'many: .*without a name .*be changed' export resize --size=32M ''
size_is '' $((16 << 20))
stop_nbdkit "$pid"
