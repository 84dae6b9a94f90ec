#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A control socket belongs to one living server: that of a dead one is
# replaced, that of a living one never, and none is left behind.
. "${srcdir:-.}/tests/lib/functions.sh"

requires socat
dir=$XDG_RUNTIME_DIR/nbdzram

# pid_of NAME: the process that answers there.
pid_of ()
{
    nbdzram status --raw --noheadings --output PID "$1"
}

# is NAME PID
is ()
{
    [ "$(pid_of "$1")" = "$2" ] || fail "$1 is $(pid_of "$1"), not $2"
}

# ---- names ----

start_nbdkit a zram 1M
first=$pid
is zram0 "$first"
[ "$(stat -c %a "$dir/zram0.ctl")" = 600 ] || fail "$(ls -l "$dir")"
[ "$(stat -c %a "$dir")" = 700 ] || fail "$(ls -ld "$dir")"
start_nbdkit b zram 1M
second=$pid
is zram1 "$second"
start_nbdkit c zram 1M name=swap-1
is swap-1 "$pid"
is zram0 "$first"
stop_nbdkit "$pid"
[ ! -e "$dir/swap-1.ctl" ] || fail "a socket was left behind"

# To others they are closed, which they are told.
other=()
mkdir "$tmp/closed" "$tmp/closed/nbdzram"
if [ "$(id -u)" = 0 ]; then
    other=(setpriv --reuid 65534 --regid 65534 --clear-groups)
else
    chmod 0 "$tmp/closed"
fi
for name in '' zram0; do
    code=0
    # shellcheck disable=SC2086
    XDG_RUNTIME_DIR=$tmp/closed ${other[@]+"${other[@]}"} \
        "$nbdzram" status $name >"$tmp/out" 2>&1 || code=$?
    [ $code != 126 ] || break   # nor may they execute this tree
    [ $code = 3 ] && grep -q 'only its owner can look' "$tmp/out" ||
        fail "$code: $(cat "$tmp/out")"
done
chmod 700 "$tmp/closed"

nbdzram compact 2>"$tmp/which" && fail "which server?"
grep -qx 'nbdzram: which server? zram0 zram1' "$tmp/which"

# ---- the living keep theirs ----

[ "${NBDZRAM_PRELOAD:-}" ] || {
    refuses 'zram0.ctl: another server is using it' zram 1M name=zram0
    refuses 'zram0.ctl: another server is using it' zram 1M \
        control="$dir/zram0.ctl"
    refuses "name=a/b: must be up to" zram 1M name=a/b
    refuses "name=-x: must be up to" zram 1M name=-x
    refuses "name=: must be up to" zram 1M name=
    echo precious >"$tmp/file"
    refuses 'file: this is not a socket' zram 1M control="$tmp/file"
    [ "$(cat "$tmp/file")" = precious ] || fail "a file was replaced"
    refuses 'too long for a socket' zram 1M \
        control="$tmp/$(printf '%0100d' 0).ctl"
    refuses 'No such file or directory' zram 1M control="$tmp/none/x.ctl"
}
is zram0 "$first"

# ---- the dead don't ----

stop_nbdkit "$first" KILL
[ -S "$dir/zram0.ctl" ] || fail "who removed it?"
[ "$(nbdzram status --raw -n -o NAME)" = zram1 ] || fail "the dead are listed"
nbdzram status zram0 2>/dev/null && fail "the dead answer"
start_nbdkit a zram 1M
is zram0 "$pid"
is zram1 "$second"
stop_nbdkit "$pid"
stop_nbdkit "$second"
[ ! "$(ls "$dir")" ] || fail "left behind: $(ls "$dir")"

# A server whose socket was taken away leaves alone what is there now.
start_nbdkit a zram 1M control="$tmp/s.ctl"
# In one step: the server binds a socket again when it finds none.
touch "$tmp/other"
mv -f "$tmp/other" "$tmp/s.ctl"
stop_nbdkit "$pid"
[ -f "$tmp/s.ctl" ] || fail "another's file was removed"
rm "$tmp/s.ctl"

# ---- ways to start ----

# Under a sanitizer, nbdkit can't run a command.
[ "${NBDZRAM_PRELOAD:-}" ] || {
    nbdkit_zram -U - zram 1M --run "$nbdzram status zram0" |
        grep -q ^zram0
    [ ! -e "$dir/zram0.ctl" ] || fail "left by --run"
}

(cd "$tmp" && nbdkit_zram -P "$tmp/daemon.pid" -U "$tmp/daemon.sock" zram 1M \
    control=relative.ctl)
eventually [ -s "$tmp/daemon.pid" ] # it is written in the background
pid=$(cat "$tmp/daemon.pid")
[ "$(nbdzram status --control "$tmp/relative.ctl" --raw -n -o PID)" = \
  "$pid" ] || fail "the daemon does not answer"
kill "$pid"
eventually [ ! -e "$tmp/relative.ctl" ] || fail "left by the daemon"
check_logs

# Without a directory there is no socket, which matters only to those who
# asked for one.
[ "${NBDZRAM_PRELOAD:-}" ] || {
    XDG_RUNTIME_DIR=$tmp/none
    nbdkit_zram -U - zram 1M --run true
    refuses 'none/nbdzram: No such file' zram 1M name=x
    XDG_RUNTIME_DIR=$tmp/run
}
start_nbdkit off zram 1M control=off
[ ! "$(ls "$dir")" ] || fail "control=off makes a socket"
stop_nbdkit "$pid"

# ---- many at once ----

for i in 1 2 3 4 5 6; do
    nbdkit_command -f -U "$tmp/many$i.sock" -P "$tmp/many$i.pid" zram 1M
    "${command[@]}" >"$tmp/many$i.log" 2>&1 &
    servers+=("$!")
done
all_six ()
{
    [ "$(nbdzram status --raw -n -o NAME 2>/dev/null | tr '\n' ' ')" = \
      'zram0 zram1 zram2 zram3 zram4 zram5 ' ]
}
eventually all_six || fail "$(nbdzram status)"
[ "$(nbdzram status --raw -n -o PID | sort -u | wc -l)" = 6 ] ||
    fail "two names for one server"
