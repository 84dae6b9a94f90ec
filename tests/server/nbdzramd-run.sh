#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The process nbdzramd: its command of --run, its files, its limits, and how
# it ends.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdinfo qemu-io python3
export NBDZRAM_SERVER=nbdzramd

# ends_with PID CODE
ends_with ()
{
    local code=0
    wait "$1" || code=$?
    [ "$code" = "$2" ] || fail "exit code $code instead of $2"
}

# ---- --run ----

export TMPDIR=$tmp
code=0
"$nbdzramd" -U - 1M control=off --run '
    echo "$uri" >"$TMPDIR/uri"
    [ -S "$unixsocket" ] && nbdinfo --size "$uri" >"$TMPDIR/size"
    exit 7' || code=$?
[ $code = 7 ] || fail "--run: exit code $code"
[ "$(cat "$tmp/size")" = 1048576 ] || fail "--run: no disk"
socket=$(sed 's/.*socket=//' "$tmp/uri")
[ ! -e "${socket%/*}" ] || fail "${socket%/*} is left"

# SIGTERM ends the command, too.
"$nbdzramd" -U - 1M control=off --run 'echo $$ >"$TMPDIR/shell"
    exec sleep 1000' &
server=$!
servers+=("$server")
eventually test -s "$tmp/shell"
kill "$server"
ends_with "$server" 0
eventually has_ended "$(cat "$tmp/shell")" || fail "the command goes on"

# The command of a hardened server is as the test is: no real-time priority, the
# same oom_score_adj.  Some of what a server changes needs capabilities that
# tests often lack; tests/vm/swap.sh has them all.
show_itself='cat /proc/self/oom_score_adj; cut -d " " -f 41 /proc/self/stat'
if "$nbdzramd" -U - 1M control=off mlock=on --run "$show_itself" \
        >"$tmp/hardened" 2>"$tmp/log"; then
    sh -c "$show_itself" | diff - "$tmp/hardened" || fail "--run: hardened"
else
    echo "skip: memory can't be locked here: $(cat "$tmp/log")"
fi

# ---- the background ----

cd "$tmp"
start="$nbdzramd -P here.pid -U here.sock 1M control=off"
$start || fail "it does not start"
pid=$(cat here.pid)
[ "$(readlink "/proc/$pid/cwd")" = / ] || fail "it keeps a directory"
[ "$(nbdinfo --size "nbd+unix:///?socket=$tmp/here.sock")" = 1048576 ]
# A second one fails, and removes nothing of the first.
! $start 2>second.log || fail "two servers at one socket"
grep -q 'error: .*here.sock: Address already in use' second.log ||
    fail "$(cat second.log)"
[ "$(cat here.pid)" = "$pid" ] && [ -S here.sock ] || fail "files are gone"
kill "$pid"
eventually has_ended "$pid" || fail "it does not end"
[ ! -e here.pid ] && [ ! -e here.sock ] || fail "files are left"
# A server that fails after going to the background is a failure.
! "$nbdzramd" -P none/x.pid -U x.sock 1M control=off 2>/dev/null ||
    fail "no failure"
[ ! -e x.sock ] || fail "x.sock is left"
cd - >/dev/null

# ---- limits ----

start_nbdkit zram zram 1M --max-connections=2 --handshake-limit=1
python3 - "$tmp/zram.sock" <<'END'
import socket, sys, time

def connect ():
    s = socket.socket (socket.AF_UNIX)
    s.settimeout (120)
    s.connect (sys.argv[1])
    return s

a, b, c = connect (), connect (), connect ()
assert a.recv (18) and b.recv (18)
assert c.recv (18) == b"", "a third connection"
# They send nothing.
for s in a, b:
    assert s.recv (1) == b"", "the handshake has no limit"
# Their places are free again, and so is that of a client that leaves, soon.
for i in range (20):
    for attempt in range (1000):
        s = connect ()
        greeted = s.recv (18)
        s.close ()
        if greeted:
            break
        time.sleep (0.05)
    assert len (greeted) == 18, "no place is free"
END
stop_nbdkit "$pid"
grep -q 'a connection is refused: --max-connections' "$tmp/zram.log" ||
    fail "the refusal is not logged"

# ---- idle clients ----


start_nbdkit zram zram export=a:size=1M export=b:size=1M name=z
python3 - "$tmp/zram.sock" "$nbdzram" <<'END'
import os, socket, struct, subprocess, sys

def choose (name):
    s = socket.socket (socket.AF_UNIX)
    s.settimeout (120)
    s.connect (sys.argv[1])
    s.recv (18)
    data = struct.pack (">I", len (name)) + name + b"\0\0"
    s.sendall (struct.pack (">IQII", 3, 0x49484156454f5054, 7, len (data))
               + data)
    got = b""
    while len (got) < 52:
        got += s.recv (52 - len (got))
    return s

a, b = choose (b"a"), choose (b"b")
subprocess.check_call ([sys.argv[2], "export", "remove", "--force", "a", "z"])
assert a.recv (1) == b"", "the client of a removed export stays"
# The other one is served.
b.sendall (struct.pack (">IHHQQI", 0x25609513, 0, 0, 5, 0, 512))
got = b""
while len (got) < 16 + 512:
    got += b.recv (600)
print ("served", flush=True)
# The server ends although it is connected.
os.kill (int (open (sys.argv[1][:-4] + "pid").read ()), 15)
assert b.recv (1) == b"", "the client stays connected"
END
ends_with "$pid" 0
