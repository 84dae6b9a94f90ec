#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Exports by address, to hosts that have one each: who is not meant is not
# let in, and is told nothing, not even the name.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/hosts.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

requires nbdinfo jq
own_network
for n in 1 2 3; do make_host $n; done
families=4
! has_ipv6 || families='4 6'

size_at () { at "$1" nbdinfo --size "$(from "$1" "$2")/$3"; }

gets ()
{
    local size
    size=$(size_at "$1" "$2" "$3" 2>"$tmp/why") && [ "$size" = "$4" ] ||
        fail "host $1, IPv$2, \"$3\": ${size:-$(cat "$tmp/why")}"
}

# The same words as for an export that nobody has.
gets_not ()
{
    ! size_at "$1" "$2" "$3" >"$tmp/told" 2>&1 ||
        fail "host $1, IPv$2: let in to \"$3\""
    ! size_at "$1" "$2" nobodys >"$tmp/wanted" 2>&1 || fail "nobody's"
    diff <(sed "s/$3/NAME/g" "$tmp/told") \
        <(sed 's/nobodys/NAME/g' "$tmp/wanted") ||
        fail "host $1, IPv$2: it is told that there is an export \"$3\""
}

# sees HOST FAMILY NAME...: these, and no others.
sees ()
{
    local seen
    seen=$(at "$1" nbdinfo --list --json "$(from "$1" "$2")" |
        jq -r '[.exports[]."export-name"] | join(" ")')
    [ "$seen" = "${*:3}" ] || fail "host $1, IPv$2 sees $seen, not ${*:3}"
}

# shut_out HOST FAMILY: it can't even connect.
shut_out ()
{
    ! at "$1" nbdinfo --list "$(from "$1" "$2")" >"$tmp/told" 2>&1 ||
        fail "host $1, IPv$2: $(cat "$tmp/told")"
    grep -q -e 'export="' "$tmp/told" && fail "$(cat "$tmp/told")"
    ! size_at "$1" "$2" "new$1" >"$tmp/told" 2>&1 || fail "let in: $1, IPv$2"
}

exports () { nbdzram export list -n --raw -o EXPORT "$1" | sort | xargs; }

# start_everywhere ARGS...: at all addresses; in this network nobody else is.
start_everywhere ()
{
    launch zram -p $port "$@" || fail "nbdkit $* did not start"
}
port=10809

# ---- each its own ----

start_everywhere zram \
    export=one:size=1M:allow=198.51.100.1,2001:db8:1::1 \
    export=two:size=2M:allow=198.51.100.2,2001:db8:1::2 \
    export=pair:size=3M:allow=198.51.100.2/31,2001:db8:1::2/127 \
    export=all:size=4M
for family in $families; do
    sees 1 $family one all
    sees 2 $family two pair all
    sees 3 $family pair all
    gets 1 $family one 1048576
    gets 2 $family two 2097152
    gets 3 $family pair 3145728
    # Without a name, the first that it may have.
    gets 2 $family '' 2097152
    gets 3 $family '' 3145728
    for n in 1 2 3; do gets $n $family all 4194304; done
    for name in two pair; do gets_not 1 $family $name; done
    gets_not 2 $family one
    for name in one two; do gets_not 3 $family $name; done
done
stop_nbdkit "$pid"

# ---- as they are asked for ----

start_everywhere zram name=auto exports=auto export-size=1M \
    export=private:size=2M:allow=198.51.100.1,2001:db8:1::1 \
    allow=198.51.100.0/30,2001:db8:1::0/126 \
    export=third:size=3M:allow=198.51.100.3,2001:db8:1::3
for family in $families; do
    gets 1 $family private 2097152
    sees 2 $family $([ $family = 4 ] || echo new)
    ! size_at 2 $family private >"$tmp/told" 2>&1 || fail "let in to private"
    gets 2 $family new 1048576
    sees 1 $family private new
    sees 3 $family third new
done
[ "$(exports auto)" = "new private third" ] || fail "$(exports auto)"
stop_nbdkit "$pid"

start_everywhere zram name=auto exports=auto export-size=1M \
    allow=198.51.100.1,2001:db8:1::2
gets 1 4 made 1048576
shut_out 2 4
shut_out 3 4
if has_ipv6; then
    gets 2 6 made 1048576
    shut_out 1 6
    shut_out 3 6
fi
[ "$(exports auto)" = made ] || fail "who was shut out made $(exports auto)"
stop_nbdkit "$pid"

# ---- IPv4 in IPv6: a socket for both, which nbdkit is handed ----

start_mapped ()
{
    rm -f "$tmp/zram.pid"
    nbdkit_command -f -P "$tmp/zram.pid" "$@"
    python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", int(sys.argv[1])))
s.listen()
if s.fileno() != 3:
    os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = "1"
os.execvp(sys.argv[2], sys.argv[2:])' $port "${command[@]}" \
        >"$tmp/zram.log" 2>&1 &
    pid=$!
    servers+=("$pid")
    eventually test -s "$tmp/zram.pid" ||
        fail "nbdkit $* did not start: $(cat "$tmp/zram.log")"
}

if has_ipv6; then
    start_mapped zram allow=198.51.100.0/30,2001:db8:1::/64 \
        export=one:size=1M:allow=198.51.100.1 \
        export=two:size=2M:allow=::ffff:198.51.100.2 \
        export=four:size=4M:allow=0.0.0.0/0 \
        export=six:size=6M:allow=2001:db8:1::/64
    sees 1 4 one four
    sees 2 4 two four
    sees 1 6 six
    gets 1 4 one 1048576
    gets 2 4 two 2097152
    gets 3 4 four 4194304
    gets 3 6 six 6291456
    gets_not 2 4 one
    gets_not 1 4 two
    gets_not 1 4 six
    gets_not 1 6 one
    gets_not 1 6 four
    stop_nbdkit "$pid"
    start_mapped zram 1M allow=198.51.100.2
    gets 2 4 '' 1048576
    for n in 1 2; do shut_out $n 6; done
    shut_out 1 4
    grep -q '198.51.100.1 may not connect' "$tmp/zram.log" ||
        fail "not said who: $(cat "$tmp/zram.log")"
    stop_nbdkit "$pid"
fi

# ---- by a supervisor, and while it runs ----

serve sup --listen=:$port export=one:size=1M:allow=198.51.100.1,2001:db8:1::1
for family in $families; do
    gets 1 $family one 1048576
    gets_not 2 $family one
    sees 2 $family
done
nbdzram export add --size=2M --allow=198.51.100.2,2001:db8:1::2 two sup
# Its successor knows it, too.
for when in before after; do
    for family in $families; do
        gets 2 $family two 2097152
        gets_not 1 $family two
        sees 1 $family one
        sees 2 $family two
        sees 3 $family
    done
    [ $when = before ] || break
    kill -9 "$(server_pid sup)"
    eventually is_ready sup || fail "no successor"
done
stop sup

has_ipv6 || skip "the rest: there is no IPv6"
