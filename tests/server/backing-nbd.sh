#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Cold pages on an NBD server, which goes away, hangs, comes back, or comes
# back with nothing: what can be had is right, and all else is an error.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/backing-functions.sh"

requires qemu-io nbdcopy cmp
nbdkit_zram --dump-plugin zram | grep -qx zram_backing=file,nbd ||
    skip "built without NBD for backing"

# start PARAMETERS...: with its cold pages at the server "far".
start ()
{
    start_nbdkit zram zram $size policy=off backing="$(uri far)" "$@"
    zram=$pid
}

# start_far ARGS...
start_far ()
{
    start_nbdkit far "$@"
    far=$pid
}

# A server whose pages are in a file, so that they outlive it.  Some versions
# of nbdkit don't live on when a client leaves that has several replies to
# come: with one thread a connection, none has.
start_kept ()
{
    start_far -t 1 zram 64M policy=off control=off pool="$pool"
}

has_connections ()
{
    [ "$(statistic bd_connections)" = "$1" ]
}

says ()
{
    grep -q -e "$1" "$tmp/zram.log"
}

# ---- there and back ----

start_far memory 64M
start
nbdcopy "$tmp/a" "$(uri zram)"
all_away
eventually has_connections 4 || fail "$(statistic bd_connections) connections"
holds "$tmp/a"
all_away
# Once more, each page elsewhere.
nbdcopy "$tmp/b" "$(uri zram)"
all_away
holds "$tmp/b"
[ "$(statistic bd_read_errors)" = 0 ] && [ "$(statistic bd_write_errors)" = 0 ]

# Servers with one connection, and slow ones, are good, too.
stop_nbdkit "$zram"
stop_nbdkit "$far" KILL
start_far --filter=multi-conn --filter=delay memory 64M \
    multi-conn-mode=disable rdelay=1ms wdelay=20ms
start
nbdcopy "$tmp/a" "$(uri zram)"
all_away
eventually has_connections 1
holds "$tmp/a"
has_connections 1 || fail "$(statistic bd_connections) connections"
stop_nbdkit "$zram"
stop_nbdkit "$far" KILL

# What another pool has left there is given back.
new_pool
start_kept
start
nbdcopy "$tmp/a" "$(uri zram)"
all_away
taken=$(stat -c %b "$pool")
stop_nbdkit "$zram"
start
[ "$(stat -c %b "$pool")" -lt $((taken / 2)) ] ||
    fail "$(stat -c %b "$pool") of $taken blocks are still taken"

# ---- killed ----

nbdcopy "$tmp/a" "$(uri zram)"
all_away
for round in 1 2 3; do
    stop_nbdkit "$far" KILL
    eventually is away || fail "the state is not away"
    # Pages in memory are as ever, and stay there.
    io "$(uri zram)" "write -s $tmp/b 0 64k"
    ! write_back || fail "written to a server that is gone"
    [ "$(statistic bd_count)" = 1008 ] || fail "$(statistic bd_count) pages"
    # Who wants the others waits.
    nbdcopy "$(uri zram)" "$tmp/found" &
    reader=$!
    sleep 1
    kill -0 "$reader" || fail "a read did not wait"
    start_kept
    wait "$reader" || fail "a read failed, of a server that came back"
    cmp -i 65536 "$tmp/found" "$tmp/a" || fail "round $round: pages differ"
    all_away
    is ok || fail "not ok again"
done
[ "$(statistic bd_reconnects)" -ge 3 ] || fail "not counted"
[ "$(statistic bd_read_errors)" = 0 ] || fail "reads failed"
says "can't be reached" && says 'is back' || fail "$(cat "$tmp/zram.log")"
nbdcopy "$tmp/a" "$(uri zram)"
all_away

# ---- killed, and back with nothing ----

stop_nbdkit "$far" KILL
start_far memory 64M
eventually is wrong || fail "an empty disk is taken for the right one"
io_fails "$(uri zram)" "read 0 4k" || fail "read from an empty disk"
io "$(uri zram)" "write -s $tmp/b 0 64k"
! write_back || fail "written to the wrong disk"
[ "$(grep -c 'lost its content' "$tmp/zram.log")" = 1 ] ||
    fail "$(cat "$tmp/zram.log")"
io "$(uri zram)" "write -P 8 0 64k" "read -P 8 0 64k" "write -s $tmp/b 0 64k"
io_fails "$(uri zram)" "read 64k 4k" || fail "read from an empty disk"
# It still is empty.
[ "$(nbdcopy "$(uri far)" - | tr -d '\0' | wc -c)" = 0 ] ||
    fail "something was written to it"
# The right one comes back.
stop_nbdkit "$far" KILL
start_kept
eventually is ok || fail "the right one is not taken"
nbdcopy "$(uri zram)" "$tmp/found"
cmp -i 65536 "$tmp/found" "$tmp/a" || fail "pages differ"
stop_nbdkit "$zram"

# ---- it hangs ----

start backing-timeout=3
nbdcopy "$tmp/a" "$(uri zram)"
all_away
stand "$far"
io_fails "$(uri zram)" "read 0 4k" || fail "read from a server that stands"
eventually is away || fail "the state is not away"
kill -CONT "$far"
eventually is ok || fail "not ok again"
holds "$tmp/a"
# In the middle of writing.
nbdcopy "$tmp/b" "$(uri zram)"
stand "$far"
! write_back || fail "written to a server that stands"
holds "$tmp/b"
kill -CONT "$far"
all_away
holds "$tmp/b"
all_away
used=$(statistic bd_used)
[ "$used" -le $((4 * size)) ] || fail "$used bytes are used"
stop_nbdkit "$zram"

# ---- it hangs, and the pool is full ----

# Writes fail, each after a while; nothing waits without end, and all goes on
# when it can.
fills ()
{
    nbdcopy --synchronous --connections=1 "$tmp/b" "$(uri zram)" 2>/dev/null
}

start policy=on mem-limit=5M backing-timeout=6
fills || fail "4M do not go into 5M, of which half are buffers, and a server"
[ "$(statistic bd_count)" -gt 100 ] || fail "nothing was written back"
stand "$far"
fill_up "$(uri zram)" "$tmp/a"
nbdzram compact zram0 >/dev/null
kill -CONT "$far"
eventually fills || fail "there still is no room"
holds "$tmp/b"
stop_nbdkit "$zram"

# ---- we are killed ----

main=$pool
new_pool
start pool="$pool"
nbdcopy "$tmp/a" "$(uri zram)"
all_away
stop_nbdkit "$zram" KILL
start pool="$pool"
[ "$(statistic bd_count)" = 1024 ] || fail "pages are gone"
holds "$tmp/a"
all_away
# ... while it is away: what is in memory is there, and the rest waits.
io "$(uri zram)" "write -s $tmp/b 0 64k"
stop_nbdkit "$zram" KILL
stop_nbdkit "$far" KILL
rm -f "$tmp/far.sock"
refuses 'No such file' zram $size backing="$(uri far)"
start pool="$pool"
is away || fail "the state is not away"
eventually says "can't be reached" || fail "$(cat "$tmp/zram.log")"
io "$(uri zram)" "read 0 64k" "write -P 6 64k 4k" "read -P 6 64k 4k"
! write_back || fail "written to a server that is gone"
nbdcopy "$(uri zram)" "$tmp/found" &
reader=$!
sleep 1
kill -0 "$reader" || fail "a read did not wait"
own=$pool pool=$main
start_kept
wait "$reader" || fail "a read failed, of a server that came back"
cmp -n 65536 "$tmp/found" "$tmp/b" || fail "pages in memory differ"
cmp -i 69632 "$tmp/found" "$tmp/a" || fail "pages that were away differ"
nbdcopy "$tmp/a" "$(uri zram)"
all_away
# Something else in its place.
stop_nbdkit "$zram" KILL
stop_nbdkit "$far" KILL
start_far memory 64M
refuses 'not the one' zram $size pool="$own" backing="$(uri far)"
stop_nbdkit "$far" KILL
start_kept
refuses 'pages of another pool' zram 1M backing="$(uri far)"
start pool="$own"
holds "$tmp/a"
[ "$(statistic bd_read_errors)" = 0 ] || fail "reads failed"
stop_nbdkit "$zram"
stop_nbdkit "$far" KILL

# ---- by TCP, with TLS ----

if command -v psktool >/dev/null &&
   psktool -u me -p "$tmp/keys.psk" >/dev/null 2>&1; then
    start_tcp far 127.0.0.1 -t 1 --tls=require --tls-psk="$tmp/keys.psk" \
        memory 64M
    far=$pid
    start_nbdkit zram zram $size policy=off \
        backing="nbds://me@localhost:$port/?tls-psk-file=$tmp/keys.psk"
    zram=$pid
    nbdcopy "$tmp/a" "$(uri zram)"
    all_away
    holds "$tmp/a"
    all_away
    holds "$tmp/a"
    [ "$(statistic bd_read_errors)" = 0 ] || fail "reads failed"
    stop_nbdkit "$zram"
    refuses 'TLS' zram 1M backing="nbd://localhost:$port"
    stop_nbdkit "$far" KILL
fi

# ---- what is refused ----

refuses 'must begin with a slash' zram 1M backing='nbd+unix:///?socket=far.sock'
start_far -r memory 64M
refuses 'read-only' zram 1M backing="$(uri far)"
stop_nbdkit "$far" KILL
start_far memory 4K
refuses 'room for more' zram 1M backing="$(uri far)"
stop_nbdkit "$far" KILL
start_far memory 64M
io "$(uri far)" "write -P 1 512k 512"
refuses 'something else' zram 1M backing="$(uri far)"
stop_nbdkit "$far" KILL
