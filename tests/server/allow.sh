#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# allow=: by TCP only these addresses get in, by a Unix socket everybody.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdinfo

gets_in ()
{
    [ "$(nbdinfo --size "$1")" = 4194304 ] || fail "$1: not let in"
}

stays_out ()
{
    ! nbdinfo --size "$1" >"$tmp/got" 2>&1 || fail "$1: let in"
    eventually grep -q "$2 may not connect" "$tmp/tcp.log" ||
        fail "$(cat "$tmp/tcp.log")"
}

start_tcp tcp 127.0.0.1 zram 4M allow=192.0.2.0/24,127.0.0.0/8
gets_in "nbd://127.0.0.1:$port"
stop_nbdkit "$pid"
start_tcp tcp 127.0.0.1 zram 4M allow=192.0.2.0/24 allow=::1
stays_out "nbd://127.0.0.1:$port" 127.0.0.1
# Who was refused has taken nothing with him.
for i in 1 2 3 4 5 6 7 8; do stays_out "nbd://127.0.0.1:$port" 127.0.0.1; done
stop_nbdkit "$pid"
if grep -qs '^0*1 ' /proc/net/if_inet6; then
    start_tcp tcp ::1 zram 4M allow=::1
    gets_in "nbd://[::1]:$port"
    stop_nbdkit "$pid"
    start_tcp tcp ::1 zram 4M allow=127.0.0.1
    stays_out "nbd://[::1]:$port" ::1
    stop_nbdkit "$pid"
fi

start_nbdkit unix zram 4M allow=192.0.2.1
gets_in "$(uri unix)"
stop_nbdkit "$pid"

refuses "allow=localhost: 'localhost' is neither an address" zram 4M allow=localhost
refuses "allow=10.0.0.0/33: '10.0.0.0/33' is neither" zram 4M allow=10.0.0.0/33
