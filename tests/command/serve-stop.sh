#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Stopping: nothing is left, and swapped-out pages are not lost.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

# A fake /proc and /sys, in which the kernel swaps to a device.
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
    fail "the refusal is not logged"
is_ready s || fail "it was stopped"
nbdzram stop --force s
nothing_left

# A service manager waits until the supervisor ends: it ends alone, and the
# next one recovers the server.  systemd does not kill processes whose name
# begins with an @.
NOTIFY_SOCKET=$tmp/notify serve s --size=16M --swap
server=$(server_pid s)
for process in "$server" "$(lock_keeper_pid s)" "$(standby_pid s)"; do
    [ "$(head -c 9 "/proc/$process/cmdline" | tr '\0' ' ')" = @nbdzramd ] ||
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

# A device of another server.
echo nbdzram:t >"$NBDZRAM_ROOT/sys/block/nbd3/backend"
serve s --size=16M
stop s

# A device without an identifier may be the server's, if that has a client.
rm "$NBDZRAM_ROOT/sys/block/nbd3/backend"
serve s --size=16M
start_client -c 2 -p 4096 "$(socket_uri s)"
sleep 0.3
exits 1 '/dev/nbd3 is in use as swap' stop s
end_client 0
eventually nbdzram stop s
nothing_left

# The same holds for a file system: on the device, on a partition, and on an
# array.
swaps
mounts="$NBDZRAM_ROOT/proc/self/mounts"
mkdir -p "$NBDZRAM_ROOT/proc/self" "$NBDZRAM_ROOT/sys/block/md7/slaves/nbd3"
serve s --size=16M
start_client -c 2 -p 4096 "$(socket_uri s)"
sleep 0.3
for device in nbd3 nbd3p1 md7; do
    printf '%s / ext4 rw 0 0\n' /dev/sda2 "/dev/$device" >"$mounts"
    exits 1 "/dev/$device is mounted: run nbdzram umount s" stop s
done
# An array of another machine's disks, and one of another server's.
rm -r "$NBDZRAM_ROOT/sys/block/md7/slaves/nbd3"
mkdir "$NBDZRAM_ROOT/sys/block/md7/slaves/sda"
echo nbdzram:t >"$NBDZRAM_ROOT/sys/block/nbd3/backend"
printf '%s / ext4 rw 0 0\n' /dev/md7 /dev/nbd3p1 >"$mounts"
nbdzram stop s || fail "not stopped"
eventually is_gone "$pid" || fail "the supervisor does not end"
kill -9 "$client" 2>/dev/null || :
nothing_left

# With an identifier no client is needed.
echo nbdzram:s >"$NBDZRAM_ROOT/sys/block/nbd3/backend"
serve s --size=16M
exits 1 '/dev/nbd3p1 is mounted' stop s
rm "$NBDZRAM_ROOT/sys/block/nbd3/backend"
stop s

# It can't be found out what is mounted.
rm -r "$NBDZRAM_ROOT/proc/self"
touch "$NBDZRAM_ROOT/proc/self"
serve s --size=16M
start_client -c 2 -p 4096 "$(socket_uri s)"
sleep 0.3
exits 1 '/proc/self/mounts is mounted' stop s
end_client 0
eventually nbdzram stop s
rm "$NBDZRAM_ROOT/proc/self"
nothing_left

# Without swap a client does not keep the server from ending.
swaps /dev/sda2
serve s --size=16M --standby
start_client -c 2 -p 4096 "$(socket_uri s)"
sleep 0.3
kill -INT "$pid"
eventually is_gone "$pid" || fail "not stopped"
kill -9 "$client" 2>/dev/null || :
nothing_left
