#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The runtime directory becomes full, runs out of inodes, becomes read-only, or
# is removed: killed servers are replaced all the same, clients read what they
# wrote, and afterwards all files are created again.
if [ ! "${NBDZRAM_PRIVATE:-}" ]; then
    root=
    [ "$(id -u)" = 0 ] || root=-r
    unshare $root -m true 2>/dev/null || {
        echo "SKIP: no private mount namespace"
        exit 77
    }
    NBDZRAM_PRIVATE=1 exec unshare $root -m --propagation private bash "$0"
fi
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"
requires_descriptors

# $tmp/back is the same directory, on which nothing is mounted later.
mkdir "$tmp/back"
mount -t tmpfs -o size=512k,nr_inodes=64 nbdzram-test "$XDG_RUNTIME_DIR" &&
    mount --bind "$XDG_RUNTIME_DIR" "$tmp/back" || skip "can't mount a tmpfs"

trap 'status=$?
      case $status in 0|77) ;; *) show_processes ;; esac
      kill_all
      while umount -l "$tmp/back" || umount -l "$XDG_RUNTIME_DIR"; do :
      done 2>/dev/null
      cleanup $status' EXIT

# break_it STATE: full, inodes, read-only or removed.  restore_it STATE undoes it.
break_it ()
{
    local i

    case $1 in
        full) cat /dev/zero >"$tmp/back/fill" 2>/dev/null || : ;;
        inodes)
            for ((i = 0; i < 64; i++)); do : >"$tmp/back/fill$i" || break
            done 2>/dev/null ;;
        read-only)
            mount --bind "$XDG_RUNTIME_DIR" "$XDG_RUNTIME_DIR"
            mount -o remount,bind,ro "$XDG_RUNTIME_DIR"
            ! touch "$run/x" 2>/dev/null || fail "it is not read-only" ;;
        removed)
            mount -t tmpfs -o ro nbdzram-test "$XDG_RUNTIME_DIR"
            rm -r "$tmp/back/nbdzram" ;;
    esac
}

restore_it ()
{
    case $1 in
        full|inodes) rm -f "$tmp/back"/fill* ;;
        *) umount -l "$XDG_RUNTIME_DIR" ;;
    esac
}

# Print the processes of servers and standbys, without using the directory.
server_processes ()
{
    local p
    for p in $(our_processes); do
        [ "$(cat "/proc/$p/comm" 2>/dev/null)" != nbdzramd ] || echo "$p"
    done
}
# has_servers N OLD...: there are N servers, and none is one of OLD.
has_servers ()
{
    local n=$1 p count=0
    shift
    for p in $(server_processes); do
        [[ " $* " != *" $p "* ]] || return 1
        count=$((count + 1))
    done
    [ $count = "$n" ]
}

answers () { nbdzram status "$1" >/dev/null 2>&1; }
found () { sup d .pid >/dev/null && answers d && [ -e "$run/d.run" ]; }


no_page_is_lost ()
{
    ! grep 'their pages are lost' "$tmp/d.log" || fail "the pages are lost"
}

# start_successor STATE: kill the supervisor and start the next one, $pid.
start_successor ()
{
    local lines

    kill -9 "$pid"
    eventually is_gone "$pid"
    lines=$(wc -l <"$tmp/d.log")
    "$nbdzram" serve "${args[@]}" >>"$tmp/d.log" 2>&1 &
    pid=$!
    servers+=("$pid")
    has_recovered ()
    {
        tail -n +$((lines + 1)) "$tmp/d.log" | grep -q 'recovered from'
    }
    eventually has_recovered || fail "$1: $(cat "$tmp/d.log")"
}

# try STATE ARGS...: run "serve ARGS" while the directory is in STATE.
try ()
{
    local state=$1 n=1 old args
    shift

    echo "$state $* (SEED=$seed)"
    args=(d --size=32M "$@")
    [ ! "$*" ] || n=2
    : >"$tmp/d.log"
    serve "${args[@]}"
    start_client -g -c 2 -p 1024 "$(socket_uri d)"
    [ $n = 1 ] || eventually is_whole d
    break_it "$state"

    # Kill the server, and then the one that has replaced it.
    for ((i = 0; i < 2; i++)); do
        if [ "$state" != removed ]; then
            old=$(server_pid d)
            kill -9 "$old"
            eventually has_servers $n "$old" || fail "$state: not replaced"
            eventually is_ready d || fail "$state: not ready"
            [ $n = 1 ] || eventually is_whole d || fail "$state: no standby"
        else
            old=$(server_processes)
            kill -9 "${old%%$'\n'*}"
            eventually has_servers $n "${old%%$'\n'*}" ||
                fail "$state: not replaced"
        fi
        client_lives
    done
    [ "$state" = removed ] || start_successor "$state"
    pause 500
    client_lives

    restore_it "$state"
    eventually found || fail "$state: not found: $(cat "$tmp/d.log")"
    [ "$(supervisor_pid d)" = "$pid" ] || fail "$state: another supervisor"
    eventually is_ready d || fail "$state: not ready"
    [ $n = 1 ] || eventually is_whole d || fail "$state: no standby"
    client_lives
    # An upgrade and recovery work as before.
    if [ $n = 2 ]; then
        nbdzram upgrade d || fail "$state: $(cat "$tmp/d.log")"
        start_successor "$state"
        eventually is_ready d
    fi
    kill -9 "$(server_pid d)"
    eventually is_ready d
    end_client 1
    no_page_is_lost
    nbdzram stop d
    nothing_left
}

for state in full inodes read-only removed; do
    try $state
    try $state --standby
done

# ---- a connected client ----

# A server with clients is not replaced because its socket was removed.
serve d --size=32M --standby
eventually is_whole d
start_client -c 2 -p 1024 "$(socket_uri d)"
sleep 0.5
server=$(server_pid d)
rm -r "$run"
eventually found || fail "$(cat "$tmp/d.log")"
eventually test -S "$run/d.sock"
eventually grep -q 'has clients and stays' "$tmp/d.log" ||
    fail "$(cat "$tmp/d.log")"
client_lives
[ "$(server_pid d)" = "$server" ] || fail "the server was replaced"
eventually is_whole d
end_client 0
# Without clients it is replaced, and new clients are served.
[ "$(nbdinfo --size "$(socket_uri d)")" = $((32 << 20)) ]
stop d

# ---- a first start ----

mkdir -p "$run"
break_it inodes
exits 1 'd.sup: No space left on device' serve d --size=32M
restore_it inodes

# ---- nbdkit without a supervisor ----

start_nbdkit plain zram 1M name=plain
eventually answers plain
rm -r "$run"
eventually answers plain || fail "$(cat "$tmp/plain.log")"
[ "$(stat -c %a "$run")" = 700 ] || fail "$(ls -ld "$run")"
stop_nbdkit "$pid"
[ ! "$(ls "$run")" ] || fail "left: $(ls "$run")"

break_it inodes
start_nbdkit plain zram 1M name=plain
eventually grep -q 'no control socket for now: .*No space left on device' \
           "$tmp/plain.log" || fail "it says nothing"
[ "$(nbdinfo --size "$(uri plain)")" = $((1 << 20)) ]
restore_it inodes
eventually answers plain || fail "$(cat "$tmp/plain.log")"
stop_nbdkit "$pid"
