#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# New connections for the kernel: what servers there are, and are not.
. "${srcdir:-.}/tests/lib/functions.sh"

requires socat

# dials "OUTPUT" ARGS...
dials ()
{
    local wanted=$1 out
    shift
    out=$("$bin/nbd-dial" "$@") || fail "nbd-dial $*: $out"
    [ "$out" = "$wanted" ] || fail "nbd-dial $*: $out, not $wanted"
}

# no_answer PATTERN ARGS...
no_answer ()
{
    local pattern=$1 out
    shift
    ! out=$("$bin/nbd-dial" "$@") || fail "nbd-dial $*: $out"
    grep -q -e "$pattern" <<<"$out" || fail "nbd-dial $*: $out"
}

# has_flags, send_flush, send_fua, send_trim, can_multi_conn
all=$((1 + 4 + 8 + 32 + 256))

# ---- addresses ----

no_answer 'not nbd://' http://localhost 1000
no_answer 'no TLS for swap' nbds://localhost 1000
no_answer 'no TLS for swap' 'nbds+unix:///?socket=/x' 1000
no_answer 'host is missing' nbd:/// 1000
for port in x '' 0 65536 99999 9999999 4294977296 -1 +1 ' 80' 0x50; do
    no_answer 'port must be from 1 to 65535' "nbd://localhost:$port/" 1000
done
no_answer "']' is missing" 'nbd://[::1' 1000
no_answer 'socket=PATH is missing' nbd+unix:/// 1000
no_answer 'must begin with a slash' 'nbd+unix:///?socket=x' 1000
no_answer 'must begin with a slash' \
    "nbd+unix:///?socket=/$(printf %0108d 0)" 1000
no_answer 'no.host.invalid: ' nbd://no.host.invalid 1000

# ---- a Unix socket ----

start_nbdkit a zram 3M
server=$pid
dials "3145728 $all $server" "$(uri a)" 5000
dials "3145728 $all $server" -r "$(uri a)" 5000
dials "3145728 $all $server" "$(uri a name)" 5000
mkdir "$tmp/a b%"
ln -s "$tmp/a.sock" "$tmp/a b%/s"
dials "3145728 $all $server" "nbd+unix:///?socket=$tmp/a%20b%25/s" 5000

# The process that answers counts, not the one that made the socket.
socat "UNIX-LISTEN:$tmp/relay,fork" "UNIX-CONNECT:$tmp/a.sock" &
servers+=("$!")
eventually [ -S "$tmp/relay" ]
out=$("$bin/nbd-dial" "nbd+unix:///?socket=$tmp/relay" 5000)
[ "${out##* }" != "$server" ] && [ "${out##* }" != "$!" ] ||
    fail "who answered? $out"

# A server that stands still, and goes on in time, and does not.
stand "$server"
no_answer 'does not answer' "$(uri a)" 300
(sleep 0.5; kill -CONT "$server") &
dials "3145728 $all $server" "$(uri a)" 20000
wait $!

stop_nbdkit "$server" KILL
no_answer 'connect: Connection refused' "$(uri a)" 5000
no_answer 'connect: No such file' "$(uri none)" 5000

# ---- other servers ----

start_nbdkit readonly -r memory 1M
dials "1048576 $((1 + 2 + 4 + 256)) $pid" "$(uri readonly)" 5000
stop_nbdkit "$pid"

if [ -e "$(nbdkit --dump-config |
           sed -n 's/^filterdir=//p')/nbdkit-exportname-filter.so" ]; then
    start_nbdkit odd --filter=exportname memory 1M \
        exportdesc=fixed:$'a \xfc\e[2Jz'
    dials 'a ??[2Jz' -d "$(uri odd)" 5000
    stop_nbdkit "$pid"
fi

socat "UNIX-LISTEN:$tmp/http,fork" SYSTEM:'echo HTTP/1.1 400 Bad request' &
servers+=("$!")
eventually [ -S "$tmp/http" ]
# Who is quick to hang up was not heard.
no_answer 'the handshake failed\|the server hung up' "nbd+unix:///?socket=$tmp/http" 5000

socat "UNIX-LISTEN:$tmp/mute,fork" SYSTEM:'sleep 1' &
servers+=("$!")
eventually [ -S "$tmp/mute" ]
no_answer 'does not answer' "nbd+unix:///?socket=$tmp/mute" 200

# ---- TCP ----

start_tcp tcp 127.0.0.1 zram 5M
dials "5242880 $all 0" -r "nbd://127.0.0.1:$port" 5000
dials "5242880 $all 0" "nbd://127.0.0.1:$port/x" 5000
# Of the addresses of this name it listens at one.
dials "5242880 $all 0" "nbd://localhost:$port/" 5000
stand "$pid"
no_answer 'does not answer' "nbd://127.0.0.1:$port" 300
kill -CONT "$pid"
stop_nbdkit "$pid" KILL
no_answer 'connect: Connection refused' "nbd://127.0.0.1:$port" 5000
