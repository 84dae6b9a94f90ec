#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# status and check of swap on other machines: a mirror as the kernel would show
# it, of which both members work, then one, then none is attached.
. "${srcdir:-.}/tests/lib/functions.sh"

requires jq
export NBDZRAM_ROOT=$tmp/root
run=$XDG_RUNTIME_DIR/nbdzram
sys=$NBDZRAM_ROOT/sys/block
mkdir -p "$run" "$NBDZRAM_ROOT"/proc/{sys/vm,$$} "$NBDZRAM_ROOT/sys/module/nbd"
echo 4096 >"$NBDZRAM_ROOT/proc/sys/vm/min_free_kbytes"
echo 0 >"$NBDZRAM_ROOT/proc/sys/vm/page-cluster"
echo 'MemTotal:    262144 kB' >"$NBDZRAM_ROOT/proc/meminfo"
process $$
printf 'Filename Type Size Used Priority\n/dev/md7 partition 1048576 2048 100\n' \
    >"$NBDZRAM_ROOT/proc/swaps"

# half NAME INDEX: attach a member.
half ()
{
    mkdir -p "$sys/nbd$2/holders/md7" "$sys/md7/md/dev-nbd$2" \
        "$sys/md7/slaves/nbd$2"
    echo 1 >"$sys/nbd$2/pid"
    echo "nbdzram:$1" >"$sys/nbd$2/backend"
    echo in_sync,failfast >"$sys/md7/md/dev-nbd$2/state"
    printf '{"device":"/dev/nbd%d","index":%d,"uri":"nbd://%s","pid":%d,
        "identifier":"nbdzram:%s","reconnects":2}' "$2" "$2" "$1" $$ "$1" \
        >"$run/$1.attach"
}

half far 0
half far.1 3
echo raid1 >"$sys/md7/md/level"
echo 2 >"$sys/md7/md/raid_disks"

status ()
{
    nbdzram status --raw --noheadings -o NAME,DEVICE,SWAPPED,RECONNECTS,HALVES \
        "$@"
}

[ "$(status)" = 'far /dev/nbd0 2M 4 2/2' ] || fail "$(status)"
[ "$(status far)" = "$(status)" ]
[ "$(nbdzram status --raw -n -o NAME,DATA,RATIO,PID,ALGORITHM)" = 'far - - - -' ] ||
    fail "$(nbdzram status)"
exits 3 'far.1: there is no such server' status far.1
exits 3 'near: there is no such server' status near
nbdzram status --json | jq -e '.servers[0] | .name == "far"
    and (.attachments | length) == 2
    and .attachments[0].array == { device: "/dev/md7", level: "raid1",
        half: "in sync", halves: 2, in_sync: 2 }
    and (.attachments[0].swap.used == 2097152)
    and (.attachments[1] | has ("swap") | not)' >/dev/null ||
    fail "$(nbdzram status --json)"
nbdzram check far >"$tmp/out" || fail "$(cat "$tmp/out")"
grep -q '^ok  *mirror  *2 of 2 members of /dev/md7 are in sync$' "$tmp/out" ||
    fail "$(cat "$tmp/out")"
[ "$(grep -c '^ok  *watcher ' "$tmp/out")" = 2 ] || fail "$(cat "$tmp/out")"

# A server on this machine has a row of its own.
start_nbdkit near zram 1M name=near
[ "$(status | cut -d ' ' -f 1 | tr '\n' ' ')" = 'far near ' ] || fail "$(status)"
stop_nbdkit "$pid"

# One member fails; its watcher lives, and its file stays.
rm -r "$sys/nbd0" "$sys/md7/md/dev-nbd0" "$sys/md7/slaves/nbd0"
[ "$(status)" = 'far /dev/nbd3 2M 2 1/2' ] || fail "$(status)"
nbdzram check far >"$tmp/out" || fail "$(cat "$tmp/out")"
grep -q '^warn  *mirror  *1 of 2 members' "$tmp/out" || fail "$(cat "$tmp/out")"

# During the resync it lacks pages.
half far 0
echo spare >"$sys/md7/md/dev-nbd0/state"
[ "$(status)" = 'far /dev/nbd0 2M 4 1/2' ] || fail "$(status)"

rm -r "$sys"
exits 3 'no server is running' status
exits 3 'far: there is no such server' status far
exits 3 'far: there is no such server' check far
