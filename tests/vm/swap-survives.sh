#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# While memory of 1.6 times the machine's is in use: the watcher is killed,
# the supervisor is killed and started again by hand, the server is stopped
# for longer than the kernel waits, so that it must not do late what was sent
# again meanwhile; server and watcher are killed while their directory is gone;
# and it is upgraded ten times.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 320M
#### guest ####
swap_on 500M
mib=$(footprint)
(pages $mib workers=2 rounds=0 seconds=80 seed="${seed:-400}" >/tmp/line 2>&1; echo $? >/tmp/code) &
running () { [ ! -e /tmp/code ] || { cat /tmp/line; fail "it ended early"; }; }
busy () { sleep 3; running; }

# The supervisor's own line, and those of its children, by its command.
supervisor_pid () { pid_of ' serve '; }
watcher_pid () { pid_of ' watch '; }

say "the watcher is killed, then the server"
busy
pid=$(watcher_pid)
kill -9 "$pid" || fail "no watcher"
another () { [ "$(watcher_pid)" ] && [ "$(watcher_pid)" != "$pid" ]; }
eventually another || fail "no other watcher"
busy
kill -9 "$(server_pid)" || fail "no server"
busy

say "the supervisor is killed, started again, and the server killed"
busy
kill -9 "$(supervisor_pid)" || fail "no supervisor"
busy
nbdzram serve swap0 --daemon --swap --size 500M || fail "not started again"
busy
kill -9 "$(server_pid)" || fail "no server"
busy

say "the server is stopped for six seconds"
pid=$(server_pid)
kill -STOP "$pid"
sleep 6
kill -CONT "$pid" 2>/dev/null
busy

say "the directory is gone, and server and watcher are killed"
eventually server_pid >/dev/null
server=$(server_pid)
watcher=$(watcher_pid)
# Not longer than the supervisor takes to make it anew: this shell may itself
# be swapped, and can't bring it back while no server can be connected to.
rm -r /run/nbdzram
kill -9 "$server" "$watcher" || fail "no server or watcher"
busy
has_all ()
{
    [ -S /run/nbdzram/swap0.sup ] && [ -S /run/nbdzram/swap0.sock ] &&
        [ -S /run/nbdzram/swap0.ctl ] && [ -s /run/nbdzram/swap0.attach ] &&
        [ "$(server_pid)" ] && [ "$(server_pid)" != "$server" ]
}
eventually has_all || fail "$(ls /run/nbdzram): $(cat /run/nbdzram/swap0.run)"
busy
running

say "upgrades"
n=0
while [ $n -lt 10 ]; do
    nbdzram upgrade swap0 >/tmp/upgrade.log 2>&1 || {
        cat /tmp/upgrade.log
        fail "upgrade $n"
    }
    running
    sleep 1
    n=$((n + 1))
done
cat /tmp/upgrade.log
wait
cat /tmp/line
[ "$(cat /tmp/code)" = 0 ] || fail "see above"
swap_off
kernel_is_well
