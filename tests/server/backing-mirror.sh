#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Cold pages on two NBD servers, of which one is killed at a time: no page is
# wrong, or lost, and what comes back gets what it has missed.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/backing-functions.sh"

requires qemu-io nbdcopy cmp jq
[ -x "$bin/nbd-model" ] || skip "built without libnbd"
nbdkit_zram --dump-plugin zram | grep -qx zram_backing=file,nbd ||
    skip "built without NBD for backing"

RANDOM=$((seed & 32767))
echo "SEED=$seed"
disk=$size
new_pool
kept_pool=$pool

# One half has its pages in a file, the other loses them when it is killed.
start_half ()
{
    case $1 in
    kept) start_nbdkit kept zram 64M policy=off control=off pool="$kept_pool" ;;
    lost) start_nbdkit lost memory 64M ;;
    esac
    half[$1]=$pid
}

# start PARAMETERS...: with both, in either order.
start ()
{
    local halves=("backing=$(uri kept)" "backing=$(uri lost)")

    [ $((RANDOM % 2)) = 0 ] || halves=("${halves[1]}" "${halves[0]}")
    start_nbdkit zram zram "$disk" "${halves[@]}" "$@"
    zram=$pid
}

declare -A half

status ()
{
    nbdzram status -n --raw -o "$1" zram0
}

# in_sync NAME: has this half all pages?
in_sync ()
{
    [ "$(nbdzram status --json zram0 |
         jq -r ".. | objects | select (.uri? == \"$(uri "$1")\") |
                .in_sync")" = "$2" ]
}

# ---- each dies, and comes back ----

start_half kept
start_half lost
start policy=off
eventually is ok || fail "not all connections are made"
[ "$(status BACKING-SYNC)" = 2/2 ] || fail "$(status BACKING-SYNC)"
nbdcopy "$tmp/a" "$(uri zram)"
all_away
for one in kept lost kept; do
    stop_nbdkit "${half[$one]}" KILL
    eventually is degraded || fail "not degraded"
    holds "$tmp/a"
    nbdcopy "$tmp/b" "$(uri zram)"
    all_away
    holds "$tmp/b"
    in_sync "$one" false || fail "$one is in sync"
    case $(status BACKING-SYNC) in
    1/2,*) ;;
    *) fail "no half lacks pages" ;;
    esac
    start_half "$one"
    eventually is ok || fail "$one is not filled"
    in_sync "$one" true
    nbdcopy "$tmp/a" "$(uri zram)"
    all_away
done
nbdzram metrics zram0 >"$tmp/metrics"
[ "$(grep -c '^nbdzram_backing_half_in_sync{.*} 1$' "$tmp/metrics")" = 2 ] ||
    fail "$(grep half "$tmp/metrics")"
[ "$(statistic bd_read_errors)" = 0 ] || fail "reads failed"
grep -q 'it lacks what was written' "$tmp/zram.log" &&
    grep -q 'it has all pages again' "$tmp/zram.log" ||
    fail "$(cat "$tmp/zram.log")"
# One that stands still.
stand "${half[lost]}"
holds "$tmp/a"
nbdcopy "$tmp/b" "$(uri zram)"
all_away
is degraded || fail "not degraded"
# Some versions of nbdkit don't live on when their clients have left so.
kill -CONT "${half[lost]}"
stop_nbdkit "${half[lost]}" KILL
start_half lost
eventually is ok || fail "not filled"
holds "$tmp/b"
stop_nbdkit "$zram"

# ---- beginning with one, and what is stale ----

new_pool
start policy=off pool="$pool"
nbdcopy "$tmp/a" "$(uri zram)"
all_away
stop_nbdkit "$zram" KILL
stop_nbdkit "${half[lost]}" KILL
rm -f "$tmp/lost.sock"
start policy=off pool="$pool"
holds "$tmp/a"
all_away
nbdcopy "$tmp/b" "$(uri zram)"
all_away
start_half lost
eventually is ok || fail "the empty half is not filled"
stop_nbdkit "${half[kept]}" KILL
rm -f "$tmp/kept.sock"
holds "$tmp/b"
nbdcopy "$tmp/a" "$(uri zram)"
all_away
stop_nbdkit "$zram" KILL
# The half that is left has all, the other one not.
start_half kept
refuses 'lacks pages' zram $size pool="$pool" backing="$(uri kept)"
stand "${half[lost]}"
refuses 'lacks pages' zram $size pool="$pool" backing-timeout=3 \
    backing="$(uri kept)" backing="$(uri lost)"
kill -CONT "${half[lost]}"
start policy=off pool="$pool"
eventually is ok || fail "the stale half is not filled"
holds "$tmp/a"
all_away
stop_nbdkit "${half[lost]}" KILL
holds "$tmp/a"
start_half lost
eventually is ok || fail "the empty half is not filled"
stop_nbdkit "$zram"

# ---- one gives something else than was written ----

start policy=off pool="$pool"
nbdcopy "$tmp/a" "$(uri zram)"
all_away
for one in lost kept; do
    io "$(uri $one)" "write -P 0x5a 4096 32M"
    holds "$tmp/a"
    [ "$(statistic checksum_errors)" != 0 ] || fail "$one was not damaged"
    grep -q 'something else where a page is' "$tmp/zram.log" ||
        fail "$(cat "$tmp/zram.log")"
    all_away
done
stop_nbdkit "$zram"

# ---- one has become smaller, while the other is away ----

new_pool
for one in large small; do
    truncate -s 64M "$tmp/$one"
    start_nbdkit $one file "$tmp/$one"
    half[$one]=$pid
done
halves=("backing=$(uri large)" "backing=$(uri small)")
start_nbdkit zram zram $size policy=off pool="$pool" "${halves[@]}"
zram=$pid
nbdcopy "$tmp/a" "$(uri zram)"
all_away
for one in "$zram" "${half[large]}" "${half[small]}"; do
    stop_nbdkit "$one" KILL
done
truncate -s 2M "$tmp/small"
start_nbdkit small file "$tmp/small"
half[small]=$pid
rm -f "$tmp/large.sock"
refuses 'smaller' zram $size policy=off pool="$pool" "${halves[@]}"
start_nbdkit large file "$tmp/large"
half[large]=$pid
start_nbdkit zram zram $size policy=off pool="$pool" "${halves[@]}"
zram=$pid
# Once all has been read, and is in memory again, nothing is missing there.
eventually in_sync small false || fail "what is too small has all pages"
holds "$tmp/a"
for one in "$zram" "${half[large]}" "${half[small]}"; do
    stop_nbdkit "$one" KILL
done

# ---- refused ----

anew ()
{
    stop_nbdkit "${half[kept]}" KILL
    stop_nbdkit "${half[lost]}" KILL
    rm -f "$kept_pool"
    start_half kept
    start_half lost
}

anew
refuses 'must be NBD servers' zram 1M backing="$(uri lost)" backing="$tmp/file"
refuses 'two are given already' zram 1M backing="$(uri lost)" backing="$(uri kept)" \
    backing="$(uri kept)"
refuses 'same export' zram 1M backing="$(uri lost)" backing="$(uri lost)"
anew

# ---- at random, while pages are written and compared ----

start_nbdkit oracle memory 48M allocator=sparse
disk=48M
start mem-limit=8M writeback-age=1 writeback-watermark=5 maintenance-cpu=100
batches=2000
[ ! "$quick" ] || batches=200
"$bin/nbd-model" -s "$seed" -p 4096 -n $batches "$(uri zram)" "$(uri oracle)" \
    >"$tmp/model" 2>&1 &
model=$!
victims=(kept lost)
kills=0
while [ $kills -lt 3 ] || kill -0 $model 2>/dev/null; do
    one=${victims[RANDOM % 2]}
    sleep "0.$((RANDOM % 10))"
    stop_nbdkit "${half[$one]}" KILL
    sleep "0.$((RANDOM % 10))"
    start_half "$one"
    eventually is ok || fail "$one is not filled (SEED=$seed)"
    kills=$((kills + 1))
done
wait $model || fail "after $kills kills: $(cat "$tmp/model") (SEED=$seed)"
echo "$kills kills, $(statistic bd_writes) pages written back"
[ "$(statistic bd_writes)" -gt 0 ] || fail "nothing was written back"
[ "$(statistic checksum_errors)" = 0 ] || fail "pages were damaged"
stop_nbdkit "$zram"
