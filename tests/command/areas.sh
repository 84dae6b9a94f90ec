#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What status and metrics say of a swap in areas: a real server, and a kernel
# as a directory has it, with two areas on its device.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io jq script
start_nbdkit zram zram 64M mem-limit=32M
io "$(uri zram)" "write -P 0 0 4M" "write -P 5 16M 8M"

export NBDZRAM_ROOT=$tmp/root
sys=$NBDZRAM_ROOT/sys/block/nbd5
mkdir -p "$sys/nbd5p1" "$sys/nbd5p3" "$NBDZRAM_ROOT/proc"
echo 1 >"$sys/pid"
echo nbdzram:zram0 >"$sys/backend"
echo 131072 >"$sys/size"
echo '{"device":"/dev/nbd5","index":5,"uri":"nbd://x","pid":1,"connections":2,
    "identifier":"nbdzram:zram0","reconnects":7}' \
    >"$XDG_RUNTIME_DIR/nbdzram/zram0.attach"
{
    echo 'MemTotal:    262144 kB'
    echo 'MemAvailable:    100000 kB'
} >"$NBDZRAM_ROOT/proc/meminfo"
{
    echo 'Filename Type Size Used Priority'
    echo '/dev/nbd5p1 partition 16380 1024 100'
    echo '/dev/nbd5p3 partition 16380 8192 98'
    echo '/dev/nbd50p1 partition 16380 77 9'
} >"$NBDZRAM_ROOT/proc/swaps"
echo 0 >"$sys/nbd5p1/start"
echo 32768 >"$sys/nbd5p1/size"
echo 32768 >"$sys/nbd5p3/start"
echo 65536 >"$sys/nbd5p3/size"

areas () { nbdzram status --json | jq -c "[.servers[0].areas[] | .$1]"; }
[ "$(areas device)" = '["/dev/nbd5p1","/dev/nbd5p3"]' ] || fail "$(areas device)"
[ "$(areas size)" = '[16777216,33554432]' ] || fail "$(areas size)"
[ "$(areas used)" = '[1048576,8388608]' ] || fail "$(areas used)"
[ "$(areas stored)" = '[4194304,8388608]' ] || fail "$(areas stored)"
[ "$(areas dead)" = '[3080192,0]' ] || fail "$(areas dead)"
nbdzram status --json | jq -e '.servers[0] | .area_room > 0
    and .area_room < 33554432 and .attachments[0].swap.used == 9437184' \
    >/dev/null || fail "$(nbdzram status --json)"
nbdzram status | grep -q '^ */dev/nbd5p1 *16M *1M *4M *2.9M$' ||
    fail "$(nbdzram status)"
[ "$(nbdzram status -n | wc -l)" = 1 ] || fail "$(nbdzram status -n)"

metric ()
{
    nbdzram metrics |
        awk -v key="nbdzram_$1{server=\"zram0\",device=\"$2\"}" \
            '$1 == key { print $2 }'
}
[ "$(metric swap_area_used_bytes /dev/nbd5p3)" = 8388608 ] ||
    fail "$(nbdzram metrics)"
[ "$(metric swap_area_dead_bytes /dev/nbd5p1)" = 3080192 ]
[ "$(metric device_reconnects_total /dev/nbd5)" = 7 ]

# The screen of top, as far as text goes.
top_says () { TERM=xterm script -qec "$nbdzram top -n 1" /dev/null </dev/null; }
top_says >"$tmp/screen" || fail "$(cat "$tmp/screen")"
grep -q 'swap: areas 2  size 48M  used 9M  dead 2.9M  room 31.*M' \
    "$tmp/screen" || fail "$(cat "$tmp/screen")"

# One area: nothing more is shown.
rm -r "$sys/nbd5p1" "$sys/nbd5p3"
[ "$(nbdzram status --json | jq '.servers[0].areas')" = null ]
[ "$(nbdzram status | wc -l)" = 2 ] || fail "$(nbdzram status)"
! top_says | grep 'swap:' || fail "top shows areas"
