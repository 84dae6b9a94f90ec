#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Cold pages that are encrypted: what is on the disk can't be read there, and
# can be read through the server, also by one that takes over from a killed
# one, and from either server of a pair.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/backing-functions.sh"

requires nbdcopy base64
nbdkit_zram --dump-plugin zram | grep -qx zram_backing_key=auto ||
    skip "built without keys"

# Text that does not get smaller, so that it is stored as it is.
text () { head -c $((size / 4 * 3)) /dev/urandom | base64 -w0; }
text >"$tmp/a"
text >"$tmp/b"
cold=$tmp/cold

start ()
{
    start_nbdkit zram zram $size policy=off "$@"
    zram=$pid
}
start_file () { start pool="$pool" backing="$cold" backing-size=64M "$@"; }

# shows DISK FILE: is any of these parts of FILE on the DISK?
shows ()
{
    local at

    for at in 100 50000 1234567 4000000; do
        ! grep -qaF -e "$(tail -c +$at "$2" | head -c 40)" "$1" || return 0
    done
    return 1
}

key_is () { [ "$(nbdzram status -n --raw -o BACKING-KEY zram0)" = "$1" ]; }

write_all ()
{
    nbdcopy "$1" "$(uri zram)"
    all_away
}

# ---- without a key ----

new_pool
start_file
key_is none || fail "there is a key"
write_all "$tmp/a"
shows "$cold" "$tmp/a" || fail "the pages are not found where they should be"
stop_nbdkit "$zram"

# A key that comes later is for what is written from then on.
start_file backing-key=auto
key_is auto || fail "there is no key"
holds "$tmp/a"
write_all "$tmp/b"
! shows "$cold" "$tmp/b" || fail "pages can be read on the disk"
holds "$tmp/b"
stop_nbdkit "$zram"
rm "$cold" "$pool"

# ---- with a key ----

new_pool
start_file backing-key=auto
write_all "$tmp/a"
! shows "$cold" "$tmp/a" || fail "pages can be read on the disk"
nbdzram metrics zram0 >"$tmp/metrics"
grep -q '^nbdzram_backing_key{.*state="auto"} 1$' "$tmp/metrics" ||
    fail "$(grep backing_key "$tmp/metrics")"
stop_nbdkit "$zram" KILL
start_file backing-key=auto
holds "$tmp/a"
all_away
stop_nbdkit "$zram" KILL

# A server that is started without it writes no plain pages.
start_file
key_is auto || fail "the key is not used any more"
holds "$tmp/a"
write_all "$tmp/b"
! shows "$cold" "$tmp/b" || fail "pages can be read on the disk"
holds "$tmp/b"

# A reset ends what is on the disk, and the server goes on.
all_away
nbdzram reset --yes zram0
write_all "$tmp/a"
! shows "$cold" "$tmp/a" || fail "pages can be read on the disk"
holds "$tmp/a"
[ "$(statistic bd_stale)" = 0 ] || fail "something was stale"
stop_nbdkit "$zram"
refuses "backing-key= requires backing=" zram 1M backing-key=auto

# ---- a pair ----

nbdkit_zram --dump-plugin zram | grep -qx zram_backing=file,nbd || exit 0
start_half ()
{
    start_nbdkit "$1" file "$tmp/$1.disk"
    half[$1]=$pid
}
declare -A half
truncate -s 64M "$tmp/one.disk" "$tmp/two.disk"
start_half one
start_half two
start backing="$(uri one)" backing="$(uri two)" backing-key=auto
eventually is ok || fail "not all connections are made"
write_all "$tmp/a"
stop_nbdkit "${half[one]}" KILL
rm -f "$tmp/one.sock"
eventually is degraded || fail "not degraded"
holds "$tmp/a"
write_all "$tmp/b"
start_half one
eventually is ok || fail "the server that came back is not filled"
stop_nbdkit "${half[two]}" KILL
eventually is degraded || fail "not degraded"
holds "$tmp/b"
for disk in one two; do
    for file in a b; do
        ! shows "$tmp/$disk.disk" "$tmp/$file" ||
            fail "pages can be read on the disk $disk"
    done
done
[ "$(statistic bd_stale)" = 0 ] || fail "something was stale"
