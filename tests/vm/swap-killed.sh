#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The server is killed every four seconds, twenty times, while memory of 1.6
# times the machine's is in use: no byte is wrong, no request fails, and it
# goes on.  It prints the longest stall: three seconds, of which the kernel
# waits most before it sends a request again; five are too many, but a busy
# host adds its own.
. "${srcdir:-.}/tests/vm/host.sh"
boot 1500 320M
#### guest ####
swap_on 500M
mib=$(footprint)
: "${kills:=20}"
(pages $mib workers=2 rounds=0 seconds=$((4 * kills)) \
    seed="${seed:-300}" >/tmp/line 2>&1; echo $? >/tmp/code) &
n=0 same=0 last=0
while [ $n -lt $kills ]; do
    sleep 4
    pid=$(server_pid)
    [ "$pid" ] || { eventually server_pid >/dev/null; pid=$(server_pid); }
    [ "$pid" ] || fail "no server after $n kills"
    [ "$pid" != "$last" ] || same=$((same + 1))
    say "kill $n"
    kill -9 "$pid" || fail "kill $pid"
    last=$pid
    n=$((n + 1))
done
[ $same = 0 ] || fail "the same server was there $same times"
wait
cat /tmp/line
[ "$(cat /tmp/code)" = 0 ] || fail "see above"
longest=$(sed -n 's/.*longest_ms=\([0-9]*\).*/\1/p' /tmp/line)
[ "$longest" -lt 30000 ] || fail "a stall of $longest ms"
nbdzram status swap0
swap_off
kernel_is_well
