#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The way out: nothing is left, and what is swapped out is not thrown away.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

# A kernel of our own, which swaps to a device.
export NBDZRAM_ROOT=$tmp/root
mkdir -p "$NBDZRAM_ROOT/proc" "$NBDZRAM_ROOT/sys/block/nbd3"
swaps ()
{
    { echo 'Filename Type Size Used Priority'
      for device; do echo "$device partition 1 1 100"; done
    } >"$NBDZRAM_ROOT/proc/swaps"
}

swaps /dev/nbd3
echo nbdzram:s.1 >"$NBDZRAM_ROOT/sys/block/nbd3/backend"
serve s --size=16M --standby
exits 1 '/dev/nbd3 is in use as swap: run nbdzram swapoff s' stop s
kill -TERM "$pid"
eventually grep -q 'not stopped: /dev/nbd3 is in use as swap' "$tmp/s.log" ||
    fail "SIGTERM says nothing"
is_ready s || fail "it was stopped"
nbdzram stop --force s
nothing_left

# A service manager waits until the supervisor ends: it ends alone, and the
# next one adopts the server.  systemd spares processes whose name begins
# with an @.
NOTIFY_SOCKET=$tmp/notify serve s --size=16M --swap
server=$(server_pid s)
for process in "$server" "$(holder_pid s)" "$(standby_pid s)"; do
    [ "$(head -c 7 "/proc/$process/cmdline" | tr '\0' ' ')" = @nbdkit ] ||
        fail "$process: $(tr '\0' ' ' <"/proc/$process/cmdline")"
done
kill -TERM "$pid"
eventually is_gone "$pid" || fail "the supervisor does not end"
kill -0 "$server" || fail "the server has ended"
serve s --size=16M --swap
[ "$(server_pid s)" = "$server" ] || fail "another server"
nbdzram stop --force s
nothing_left

# SIGTERM with --force.
serve s --size=16M --force
kill -TERM "$pid"
eventually is_gone "$pid" || fail "not stopped"
nothing_left

# Somebody else's device.
echo nbdzram:t >"$NBDZRAM_ROOT/sys/block/nbd3/backend"
serve s --size=16M
stop s

# One without an identifier may be ours, if we have a client.
rm "$NBDZRAM_ROOT/sys/block/nbd3/backend"
serve s --size=16M
start_client -c 2 -p 4096 "$(socket_uri s)"
sleep 0.3
exits 1 '/dev/nbd3 is in use as swap' stop s
end_client 0
eventually nbdzram stop s
nothing_left

# Without swap a client keeps nobody.
swaps /dev/sda2
serve s --size=16M --standby
start_client -c 2 -p 4096 "$(socket_uri s)"
sleep 0.3
kill -INT "$pid"
eventually is_gone "$pid" || fail "not stopped"
kill -9 "$client" 2>/dev/null || :
nothing_left
