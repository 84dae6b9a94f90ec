#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Exports of "nbdzram serve": from its settings, and those that were added or
# resized since, which the next server has, too.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

requires qemu-io nbdinfo

where () { echo "nbd+unix:///$1?socket=$run/s.sock"; }

sizes ()
{
    nbdzram export list -b --raw -n -o EXPORT,SIZE s | sort | xargs
}

sizes_are () { [ "$(sizes 2>/dev/null)" = "$1" ]; }

cat >"$tmp/guests" <<'END'
# the guests of this machine
guest2:size=2M:quota=1M
guest3:size=3M
END
cat >"$NBDZRAM_CONF_DIR/s.conf" <<END
export = guest1:size=1M
exports = $tmp/guests
END
exits 1 'the size is missing' serve t
serve s
sizes_are 'guest1 1048576 guest2 2097152 guest3 3145728' || fail "$(sizes)"
[ "$(nbdinfo --size "$(where guest2)")" = $((2 << 20)) ]
nbdzram export add --size=4M guest4 s
nbdzram export resize --size=5M guest3 s
io "$(where guest4)" 'write -P 4 0 64k'
io "$(where guest1)" 'write -P 1 0 64k'

kill -9 "$(server_pid s)"
eventually sizes_are \
    'guest1 1048576 guest2 2097152 guest3 5242880 guest4 4194304' ||
    fail "$(sizes)"
io "$(where guest4)" 'read -P 4 0 64k'
io "$(where guest1)" 'read -P 1 0 64k'

# Exports from the command line alone.
stop s
exits 1 "exports: 'guests' is no path" serve s exports=guests
serve s export=only:size=1M exports=auto export-size=7M
size=$(nbdinfo --size "$(where asked-for)")
[ "$size" = $((7 << 20)) ] || fail "$size"
sizes_are 'asked-for 7340032 only 1048576' || fail "$(sizes)"
stop s
