#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two hosts share a pool: one is held to its bandwidth=, however many
# connections it has, and the other is not held up by that.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/hosts.sh"

requires nbdcopy socat jq
# So that all of a disk is read, and not just what is written.
requires_filter noextents
own_network
make_host 1
make_host 2
port=10809

# of EXPORT write|read: bytes, of which it has written, or read, so many.
of ()
{
    ask pool '{"verb": "status"}' |
        jq ".devices[] | select(.name == \"$1\") | .$2_bytes"
}
has_begun () { [ "$(of slow "$1")" -gt 0 ]; }

# compare write|read: both copy at a time, until the fast one is done.
compare ()
{
    local start time slow_bytes fast_bytes most client
    local to=("$(from 1 4)/slow" "$(from 2 4)/fast") from

    from=("$tmp/data" "$tmp/data")
    [ "$1" = write ] || { from=("${to[@]}"); to=(null: null:); }
    start=$(date +%s%3N)
    at 1 nbdcopy --connections=4 --request-size=$request "${from[0]}" "${to[0]}" &
    client=$!
    servers+=("$client")
    eventually has_begun "$1" || fail "$1: the slow one has not begun"
    at 2 nbdcopy "${from[1]}" "${to[1]}"
    fast_bytes=$(of fast "$1")
    slow_bytes=$(of slow "$1")
    time=$(($(date +%s%3N) - start))
    kill $client || fail "$1: the slow one is done already"
    wait $client 2>/dev/null || :
    echo "$1: in $time ms $slow_bytes bytes, and $fast_bytes by the fast one"

    # What it may send at once when it was quiet is a tenth of a second's, and
    # a request goes before it is paid for.
    most=$((bandwidth * (time + 100) / 1000 + request))
    [ "$slow_bytes" -le $most ] || fail "$1: more than $most bytes"
    [ "$fast_bytes" = $size ] || fail "$1: the fast one: $fast_bytes"
    [ "$fast_bytes" -ge $((4 * slow_bytes)) ] ||
        fail "$1: the fast one is as slow"
}

bandwidth=65536
request=16384
size=$((32 * 1024 * 1024))
head -c $size /dev/urandom >"$tmp/data"
launch pool --filter=noextents -p $port zram name=pool \
    export=slow:size=$size:bandwidth=$bandwidth:allow=198.51.100.1 \
    export=fast:size=$size:allow=198.51.100.2 || fail "it did not start"
compare write
compare read
stop_nbdkit "$pid"
