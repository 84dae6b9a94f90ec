#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A server that lets in whoever reaches it says so when it starts, and no
# other does: by where it listens, and by what says who may.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/hosts.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"
own_network
. "${srcdir:-.}/tests/lib/credentials.sh"
make_host 1

names=()
port=20000

# begin yes|no LISTEN ARGS...: a server that is to say so, or not.
begin ()
{
    local name=${#names[@]}-$1

    port=$((port + 1))
    "$nbdzram" serve "$name" --listen="${2/PORT/$port}" \
        "${@:3}" >"$tmp/$name.log" 2>&1 &
    servers+=($!)
    names+=("$name")
    echo "$*" >"$tmp/$name.args"
}

says () { grep -q 'any machine that reaches nbd://.* can read and write' "$tmp/$1.log"; }

all_were_right ()
{
    local name

    for name in "${names[@]}"; do
        eventually is_ready "$name" ||
            fail "$(cat "$tmp/$name.args" "$tmp/$name.log")"
        case $name in
            *yes) says "$name" ;;
            *no) ! says "$name" ;;
        esac || fail "$(cat "$tmp/$name.args" "$tmp/$name.log")"
        nbdzram stop "$name"
    done
    names=()
}

# ---- where it listens ----

begin no "$tmp/s.sock" --size=1M
begin no 127.0.0.1:PORT --size=1M
begin no 127.3.2.1:PORT --size=1M
begin yes 192.0.2.1:PORT --size=1M
begin yes :PORT --size=1M
begin yes 0.0.0.0:PORT --size=1M
if has_ipv6; then
    begin no '[::1]:PORT' --size=1M
    begin yes '[2001:db8:2::1]:PORT' --size=1M
    begin yes '[::]:PORT' --size=1M
fi
all_were_right

# ---- who may ----

near=allow=192.0.2.0/24,2001:db8::/32
echo 'a:size=1M:allow=192.0.2.1' >"$tmp/exports"
begin no :PORT --size=1M $near
begin no :PORT --size=1M tls-psk="$tmp/keys/alice"
begin no :PORT --size=1M tls-certificates="$tmp/ours"
begin no :PORT export=a:size=1M $near
begin no :PORT export=a:size=1M:$near export=b:$near:size=1M
begin yes :PORT export=a:size=1M:$near export=b:size=1M
begin yes :PORT --size=1M export=a:size=1M:$near
begin yes :PORT exports=auto export-size=1M
begin no :PORT exports=auto export-size=1M $near
begin no :PORT exports=auto export-size=1M tls-psk="$tmp/keys/alice"
# Whom a file of exports lets in, nobody knows beforehand.
begin yes :PORT exports="$tmp/exports"
begin yes 192.0.2.1:PORT export=b:size=1M
begin no 127.0.0.1:PORT export=b:size=1M
all_were_right
nothing_left

has_ipv6 || skip "the rest: there is no IPv6"
