# SPDX-License-Identifier: GPL-2.0-or-later
# Functions of the tests of "nbdzram serve".  Source functions.sh before.

requires socat jq

export NBDZRAMD=$nbdzramd
export NBDZRAM_CONF_DIR=$tmp/conf
run=$XDG_RUNTIME_DIR/nbdzram
mkdir "$NBDZRAM_CONF_DIR"
: >"$tmp/none.log"

# Servers with a sanitizer sometimes hang at their end or crash at their start,
# which these tests would report as a defect.
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "nbdkit and a sanitizer: not reliable"

# random N: set $chance to a random number from 0 to N - 1; SEED replays it.
RANDOM=$((seed % 32768))
random ()
{
    chance=$((RANDOM * 32768 + RANDOM))
    chance=$((chance % $1))
}

# pause MS: sleep for a random time of at most MS milliseconds.
pause ()
{
    random "$1"
    sleep "$(printf '0.%03d' "$chance")"
}

# A supervisor copies descriptors of servers that it has not started.
requires_descriptors ()
{
    python3 - <<'END' || skip "no descriptors of other processes here (ptrace)"
import ctypes, os, subprocess, sys
p = subprocess.Popen(['sleep', '9'])
fd = os.pidfd_open(p.pid)
r = ctypes.CDLL(None).syscall(438, fd, 0, 0)
p.kill()
sys.exit(r < 0)
END
}

# sup NAME FILTER: print what the jq FILTER makes of the supervisor's status.
# Fails if that is nothing.
sup ()
{
    echo '{"verb": "status"}' |
        socat -t 20 - "UNIX-CONNECT:$run/$1.sup" 2>/dev/null |
        jq -er "$2" 2>/dev/null
}

server_pid () { sup "$1" '.server.pid // empty'; }
standby_pid () { sup "$1" '.standby | select (.waiting?) | .pid'; }
supervisor_pid () { sup "$1" .pid; }
lock_keeper_pid () { sup "$1" '.holder.pid // empty'; }
restarts () { sup "$1" .restarts; }
is_ready () { sup "$1" .server.ready >/dev/null; }
has_standby () { standby_pid "$1" >/dev/null; }
# none_gone NAME: its supervisor waits for no end of a process any more.
none_gone () { ! grep -q '"state":"gone"' "$run/$1.run"; }
# is_asleep PID: the kernel says that it waits for something.
is_asleep () { grep -q '^State:.S' "/proc/$1/status"; }
is_gone () { ! kill -0 "$1" 2>/dev/null; }
is_whole () { is_ready "$1" && has_standby "$1"; }

# serve NAME ARGS...: start a supervisor in the background, and wait for its
# server.  Its output goes to $tmp/NAME.log; $pid is its process.
serve ()
{
    local name=$1

    "$nbdzram" serve "$@" >>"$tmp/$name.log" 2>&1 &
    pid=$!
    servers+=("$pid")
    eventually is_ready "$name" || fail "serve $* did not start"
    pid=$(supervisor_pid "$name")
}

# kill_server NAME, and wait until another one serves, and has a standby: a
# supervisor may not have noticed for a moment that the old one is dead.
kill_server ()
{
    local old
    old=$(server_pid "$1")
    kill -9 "$old"
    eventually has_other_server "$1" "$old" || fail "no other server"
}
has_other_server () { [ "$(server_pid "$1")" != "$2" ] && is_whole "$1"; }

# Kill all processes of the test, also the servers of killed supervisors.
kill_all ()
{
    local p
    for p in $(our_processes); do kill -9 "$p" 2>/dev/null || :; done
}

# The processes that have the directory of this test in their environment.  A
# lock keeper shares that with the server whose memory it keeps.
our_processes ()
{
    local p
    for p in /proc/[0-9]*; do
        [ "${p#/proc/}" != $$ ] && [ "${p#/proc/}" != "$BASHPID" ] || continue
        case $({ tr -d '\0' <"$p/cmdline"; } 2>/dev/null) in
            nbdzramd*|@nbdzramd*|nbdkit*|*/command/nbdzram*|@nbdzram*) ;;
            *) continue ;;
        esac
        if { tr '\0' '\n' <"$p/environ"; } 2>/dev/null |
               grep -qx "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR"; then
            echo "${p#/proc/}"
        fi
    done
}

# Print their command lines, their states, and where they wait in the kernel.
show_processes ()
{
    local p
    for p in $(our_processes); do
        echo "$p $(tr '\0' ' ' <"/proc/$p/cmdline")" \
             "$(cut -d ' ' -f 3,4 "/proc/$p/stat") $(cat "/proc/$p/wchan")"
    done 2>/dev/null
    grep -h . "$run"/*.run 2>/dev/null | sed 's/ *$//' || :
}

trap 'status=$?
      case $status in 0|77) ;; *) show_processes ;; esac
      kill_all
      cleanup $status' EXIT

# nothing_left: no process and no file of the test is left.
nothing_left ()
{
    eventually no_processes || fail "processes are left"
    [ ! "$(ls "$run")" ] || fail "files are left: $(ls "$run")"
}
no_processes () { [ ! "$(our_processes)" ]; }

# socket_uri NAME: print the URI of its server.
socket_uri () { echo "nbd+unix:///?socket=$run/$1.sock"; }

# start_client ARGS...: start nbd-reconnect in the background; its process is
# $client.
start_client ()
{
    "$bin/nbd-reconnect" -s "$seed" "$@" >"$tmp/client.log" 2>&1 &
    client=$!
    servers+=("$client")
}

client_lives ()
{
    kill -0 "$client" 2>/dev/null || fail "$(cat "$tmp/client.log")"
}

# end_client RECONNECTS: end the client.  It must have verified all pages, and
# have reconnected at least so often.
end_client ()
{
    local n

    kill -TERM "$client" 2>/dev/null || :
    wait "$client" || fail "SEED=$seed: $(cat "$tmp/client.log")"
    cat "$tmp/client.log"
    n=$(sed -n 's/.* requests, \([0-9]*\) reconnects.*/\1/p' "$tmp/client.log")
    [ "$n" -ge "$1" ] || fail "it reconnected $n times, not at least $1"
}

# stop NAME: stop the supervisor; nothing may be left.
stop ()
{
    nbdzram stop "$1"
    nothing_left
    check_logs
}

[ -x "$bin/nbd-reconnect" ] || skip "built without libnbd"
