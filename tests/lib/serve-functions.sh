# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of nbdzram serve share; after functions.sh.

requires socat jq

export NBDZRAM_PLUGIN=$plugin
export NBDZRAM_CONF_DIR=$tmp/conf
run=$XDG_RUNTIME_DIR/nbdzram
mkdir "$NBDZRAM_CONF_DIR"
: >"$tmp/none.log"

# Servers of a sanitizer sometimes hang at their end, or fall at their start,
# which is what these tests must take for a defect.
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "nbdkit and a sanitizer: not reliable"

# Reproducible chance: random N is in $chance, from 0 to N - 1.
RANDOM=$((seed % 32768))
random ()
{
    chance=$((RANDOM * 32768 + RANDOM))
    chance=$((chance % $1))
}

# pause MS: a random time up to that.
pause ()
{
    random "$1"
    sleep "$(printf '0.%03d' "$chance")"
}

# A supervisor takes descriptors of servers that it has not started.
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

# sup NAME FILTER: of jq, for the supervisor's status.  False if nothing comes
# of it.
sup ()
{
    echo '{"verb": "status"}' |
        socat -t 20 - "UNIX-CONNECT:$run/$1.sup" 2>/dev/null |
        jq -er "$2" 2>/dev/null
}

server_pid () { sup "$1" '.server.pid // empty'; }
standby_pid () { sup "$1" '.standby | select (.waiting?) | .pid'; }
supervisor_pid () { sup "$1" .pid; }
holder_pid () { sup "$1" '.holder.pid // empty'; }
restarts () { sup "$1" .restarts; }
is_ready () { sup "$1" .server.ready >/dev/null; }
has_standby () { standby_pid "$1" >/dev/null; }
# none_gone NAME: its supervisor waits for nobody's end any more.
none_gone () { ! grep -q '"state":"gone"' "$run/$1.run"; }
# In the sense of the kernel: it waits for something.
is_asleep () { grep -q '^State:.S' "/proc/$1/status"; }
is_gone () { ! kill -0 "$1" 2>/dev/null; }
is_whole () { is_ready "$1" && has_standby "$1"; }

# serve NAME ARGS...: a supervisor in the background; what it says goes to
# $tmp/NAME.log.  Its process is $pid.
serve ()
{
    local name=$1

    "$nbdzram" serve "$@" >>"$tmp/$name.log" 2>&1 &
    pid=$!
    servers+=("$pid")
    eventually is_ready "$name" || fail "serve $* did not start"
    pid=$(supervisor_pid "$name")
}

# Whatever a test started is dead at its end, killed supervisors' servers
# included; they name the test's own directory.
kill_all ()
{
    local p
    for p in $(our_processes); do kill -9 "$p" 2>/dev/null || :; done
}

# Processes of this test: by their environment, which holders share with
# the server whose memory they hold.
our_processes ()
{
    local p
    for p in /proc/[0-9]*; do
        [ "${p#/proc/}" != $$ ] && [ "${p#/proc/}" != "$BASHPID" ] || continue
        case $({ tr -d '\0' <"$p/cmdline"; } 2>/dev/null) in
            nbdkit*|@nbdkit*|*/command/nbdzram*|@nbdzram*) ;;
            *) continue ;;
        esac
        if { tr '\0' '\n' <"$p/environ"; } 2>/dev/null |
               grep -qx "XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR"; then
            echo "${p#/proc/}"
        fi
    done
}

# What they are, do, and wait for.
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

# nothing_left: no process, no file.
nothing_left ()
{
    eventually no_processes || fail "processes are left"
    [ ! "$(ls "$run")" ] || fail "files are left: $(ls "$run")"
}
no_processes () { [ ! "$(our_processes)" ]; }

# socket_uri NAME
socket_uri () { echo "nbd+unix:///?socket=$run/$1.sock"; }

# start_client ARGS...: nbd-reconnect in the background, $client.
start_client ()
{
    "$bin/nbd-reconnect" -s "$seed" "$@" >"$tmp/client.log" 2>&1 &
    client=$!
    servers+=("$client")
}

client_lives () { kill -0 "$client" 2>/dev/null || fail "$(cat "$tmp/client.log")"; }

# end_client RECONNECTS: it verified all, and reconnected so often at least.
end_client ()
{
    local n

    kill -TERM "$client" 2>/dev/null || :
    wait "$client" || fail "SEED=$seed: $(cat "$tmp/client.log")"
    cat "$tmp/client.log"
    n=$(sed -n 's/.* requests, \([0-9]*\) reconnects.*/\1/p' "$tmp/client.log")
    [ "$n" -ge "$1" ] || fail "it reconnected $n times, not $1"
}

# stop NAME: nothing of it is left.
stop ()
{
    nbdzram stop "$1"
    nothing_left
    check_logs
}

[ -x "$bin/nbd-reconnect" ] || skip "built without libnbd"
