#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A supervisor is killed when it has started a server, but not yet recorded it
# in NAME.run: no process is left that the next supervisor does not know.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

mkdir -p "$run"

# While this file exists, supervisors hang when they are about to write a.run.
export NBDZRAM_HOLD=$tmp/hold
mkdir "$NBDZRAM_HOLD"
hold_it () { touch "$NBDZRAM_HOLD/pwrite"; }
go_on () { rm "$NBDZRAM_HOLD/pwrite"; }
serve_held () { LD_PRELOAD=$bin/hold-write.so serve "$@"; }

# Print the processes of nbdzramd, except $server.
others ()
{
    local p
    for p in $(our_processes); do
        [ "$p" = "${server:-}" ] || [ "$(cat "/proc/$p/comm")" != nbdzramd ] ||
            echo "$p"
    done
}

none_other () { [ ! "$(others)" ]; }

# ---- a standby ----

serve_held a --size=32M --standby
io "$(socket_uri a)" 'write -P 7 0 4M'
eventually is_whole a
server=$(server_pid a)
standby=$(standby_pid a)
hold_it
kill -9 "$standby"
eventually is_gone "$standby"
gone=$standby
is_another () { other=$(others) && [ "$other" ] && [ "$other" != "$gone" ]; }
eventually is_another || fail "no standby is started"
# Without a barrier it would wait for the pool by now.
sleep 0.5
is_another || fail "it did not wait to be recorded"
! grep -q "\"pid\":$other," "$run/a.run" || fail "it is recorded"
kill -9 "$pid"
eventually none_other || fail "$(others) lives, but is not recorded"
go_on

serve a --size=32M --standby
[ "$(server_pid a)" = "$server" ] || fail "another server"
eventually is_whole a
kill_server a
io "$(socket_uri a)" 'read -P 7 0 4M'
server=
stop a

# ---- the first server ----

hold_it
LD_PRELOAD=$bin/hold-write.so \
    "$nbdzram" serve a --size=32M >>"$tmp/a.log" 2>&1 &
pid=$!
servers+=("$pid")
is_started () { [ "$(others)" ]; }
eventually is_started || fail "no server is started"
sleep 0.5
[ ! -e "$run/a.ctl" ] || fail "it did not wait to be recorded"
kill -9 "$pid"
eventually none_other || fail "$(others) lives, but is not recorded"
go_on
serve a --size=32M
io "$(socket_uri a)" 'read -P 0 0 4M'
stop a

# ---- in the middle of writing ----

writes=${quick:+4}
writes=${writes:-12}
# Killed between any two writes, a supervisor leaves one whole state.
serve_held a --size=32M --standby
io "$(socket_uri a)" 'write -P 7 0 4M'
server=$(server_pid a)
for ((i = 0; i < writes; i++)); do
    eventually is_whole a
    rm -f "$NBDZRAM_HOLD/held"
    echo $((${quick:+2 *} i)) >"$tmp/calls"
    mv "$tmp/calls" "$NBDZRAM_HOLD/pwrite"
    kill -9 "$(standby_pid a)"
    eventually test -e "$NBDZRAM_HOLD/held" || break
    kill -9 "$pid"
    eventually is_gone "$pid"
    go_on
    : >"$tmp/a.log"
    serve_held a --size=32M --standby
    ! grep 'damaged\|out of date\|their pages are lost' "$tmp/a.log" ||
        fail "killed at write $i: see above"
    [ "$(server_pid a)" = "$server" ] || fail "write $i: another server"
done
[ $i -ge 4 ] || fail "it was held only $i times"
rm -f "$NBDZRAM_HOLD/pwrite"
io "$(socket_uri a)" 'read -P 7 0 4M'
stop a
server=

# ---- watchers ----

python3 - "$nbdzram" <<'END'
import os, subprocess, sys

def watch (ends, variable, more=0):
    r, w = os.pipe ()
    if ends:
        os.close (w)
    value = variable % (r + more)
    p = subprocess.run ([sys.argv[1], "watch", "x", "--uri", "nbd://x:1"],
                        env=dict (os.environ, NBDZRAM_GATE=value),
                        pass_fds=[r], capture_output=True, text=True,
                        timeout=60)
    return p.returncode, p.stderr

code, text = watch (True, "%d")
assert code == 1 and "its supervisor: Owner died" in text, (code, text)
for wrong in ("%dx", 0), (" %d", 0), ("+%d", 0), ("%d", 1 << 32), ("-%d", 0):
    code, text = watch (False, *wrong)
    assert code == 1 and "its supervisor: Invalid argument" in text, \
        (wrong, code, text)
END
