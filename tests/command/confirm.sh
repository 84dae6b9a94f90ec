#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A verb that loses data asks on a terminal, refuses without one, and does
# neither with --yes.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 qemu-io

start_nbdkit many zram name=many export=a:size=16M export=b:size=16M

data ()
{
    nbdzram export list -n --raw -o EXPORT,SIZE,DATA | sort | xargs
}

fill ()
{
    io "nbd+unix:///$1?socket=$tmp/many.sock" 'write -P 7 0 64k'
    # The server notices the client's end a little later.
    eventually idle || fail "a client stays"
}

idle ()
{
    [ "$(nbdzram export list -n -o CLIENTS | sort -u | xargs)" = 0 ]
}

# answers ANSWER STATUS PATTERN ARGS...: what nbdzram does then on a terminal.
answers ()
{
    local answer=$1 wanted=$2 pattern=$3 code=0
    shift 3
    python3 "$srcdir/tests/lib/answer.py" "$answer" "$nbdzram" "$@" \
        >"$tmp/out" || code=$?
    [ $code = "$wanted" ] && grep -q -e "$pattern" "$tmp/out" ||
        fail "nbdzram $*, $answer: $code: $(cat "$tmp/out")"
}

# loses LOSS AFTER ARGS...: LOSS is what it says of the data; AFTER is what
# data prints in the end.
loses ()
{
    local loss=$1 after=$2 before answer
    shift 2
    before=$(data)
    exits 1 "$loss would be lost; use --yes" "$@"
    for answer in n no '' ye x ^D; do
        answers "$answer" 1 'nothing was changed' "$@"
        [ "$(data)" = "$before" ] || fail "$*, $answer: $(data)"
    done
    answers yes 0 "many.* 64K .*$loss will be lost" "$@"
    [ "$(data)" = "$after" ] || fail "$*: $(data)"
}

fill a
loses 'all of it' 'a 16M 0B b 16M 0B' reset many
fill a
fill b
loses 'all of it' 'a 16M 64K' export remove b
loses 'the data after the new end' 'a 8M 64K' export resize --size=8M a
# Nothing is asked where nothing is lost.
nbdzram export resize --size=16M a </dev/null
[ "$(data)" = 'a 16M 64K' ] || fail "$(data)"

# Nothing is asked about what is not there, or in use.
exits 1 'many: none: there is no such export' export remove none
exits 3 'no such server' reset none

# Scripts say --yes; --force says it, too.
nbdzram reset --yes many </dev/null >"$tmp/out"
grep -qx 'all pages are discarded' "$tmp/out" || fail "$(cat "$tmp/out")"
[ "$(data)" = 'a 16M 0B' ] || fail "$(data)"
fill a
nbdzram export resize -y --size=8M a
nbdzram export resize --force --size=4M a
nbdzram export add --size=1M b
nbdzram export remove --yes b
nbdzram export add --size=1M b
nbdzram export remove -f b
[ "$(data)" = 'a 4M 64K' ] || fail "$(data)"
stop_nbdkit "$pid"
