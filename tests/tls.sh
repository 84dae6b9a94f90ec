#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Encrypted, by nbdkit's own options: with certificates and with shared
# keys, to libnbd's programs and to another nbdkit.  Who has none, another
# one's, or speaks in the clear gets no byte.
. "${srcdir:-.}/tests/functions.sh"

requires certtool psktool nbdinfo nbdcopy
[ ! "${NBDZRAM_PRELOAD:-}" ] ||
    skip "under a sanitizer nbdkit hangs after an error message"
[ "$(nbdkit --dump-config | sed -n 's/^tls=//p')" = yes ] ||
    skip "this nbdkit has no TLS"
# The server's name is checked, and 127.0.0.1 is no name.
getent hosts localhost >/dev/null || skip "there is no localhost"

# ---- certificates ----

# authority NAME: makes $tmp/NAME/ca-cert.pem
authority ()
{
    mkdir "$tmp/$1"
    certtool --generate-privkey --ecdsa --outfile "$tmp/$1/ca-key.pem"
    printf 'cn = %s\nca\ncert_signing_key\n' "$1" >"$tmp/template"
    certtool --generate-self-signed --template "$tmp/template" \
        --load-privkey "$tmp/$1/ca-key.pem" --outfile "$tmp/$1/ca-cert.pem"
}

# certificate AUTHORITY WHO LINE...: makes $tmp/AUTHORITY/WHO-{key,cert}.pem
certificate ()
{
    local dir=$tmp/$1 who=$2
    shift 2

    printf '%s\n' "cn = localhost" "$@" >"$tmp/template"
    certtool --generate-privkey --ecdsa --outfile "$dir/$who-key.pem"
    certtool --generate-certificate --template "$tmp/template" \
        --load-ca-certificate "$dir/ca-cert.pem" \
        --load-ca-privkey "$dir/ca-key.pem" \
        --load-privkey "$dir/$who-key.pem" --outfile "$dir/$who-cert.pem"
}

{
    for who in ours others; do
        authority $who
        certificate $who server tls_www_server 'dns_name = localhost'
        certificate $who client tls_www_client
    done
} 2>"$tmp/certtool.log"
# Who trusts the server, but has nothing to show.
mkdir "$tmp/anonymous"
cp "$tmp/ours/ca-cert.pem" "$tmp/anonymous/"

# ---- shared keys ----

mkdir "$tmp/keys"
for user in alice eve; do
    psktool -u "$user" -p "$tmp/keys/$user" >/dev/null
done
# eve knows of alice, but not what she knows.
sed 's/^eve/alice/' "$tmp/keys/eve" >"$tmp/keys/forged"

# ---- trying ----

# start_tls NAME ARGS...: start_nbdkit, at a $port that nobody else has.
start_tls ()
{
    local i name=$1
    shift
    for ((i = 0; i < 20; i++)); do
        port=$((20000 + RANDOM % 20000))
        rm -f "$tmp/$name.pid"
        nbdkit_command -f -i localhost -p $port -P "$tmp/$name.pid" "$@"
        "${command[@]}" >"$tmp/$name.log" 2>&1 &
        pid=$!
        servers+=("$pid")
        ready_or_gone () { [ -s "$tmp/$name.pid" ] || has_ended "$pid"; }
        eventually ready_or_gone
        [ ! -s "$tmp/$name.pid" ] || return 0
    done
    skip "no TCP here: $(cat "$tmp/$name.log")"
}

# works URI: what is written is what is read, by libnbd and through an
# nbdkit that has the credentials given as further arguments.
works ()
{
    local where=$1 fields=() field
    shift

    nbdcopy "$tmp/data" "$where"
    nbdcopy "$where" "$tmp/back"
    cmp "$tmp/data" "$tmp/back" || fail "$where: other bytes"
    start_nbdkit relay nbd hostname=localhost port="$port" tls=require "$@"
    nbdcopy "$(uri relay)" "$tmp/back"
    cmp "$tmp/data" "$tmp/back" || fail "$*: other bytes"
    stop_nbdkit "$pid"
}

refused ()
{
    ! timeout 60 nbdcopy "$1" "$tmp/stolen" 2>"$tmp/why" ||
        fail "$1: got in"
    [ ! -s "$tmp/stolen" ] || fail "$1: got $(stat -c %s "$tmp/stolen") bytes"
    [ -s "$tmp/why" ] || fail "$1: nobody says why"
}

# not_through ARGS...: nor by another nbdkit.
not_through ()
{
    nbdkit_command -f -U "$tmp/refused.sock" nbd hostname=localhost \
        port="$port" "$@"
    ! timeout 60 "${command[@]}" --run 'nbdinfo --size "$uri"' \
        >"$tmp/refused" 2>&1 || fail "$*: got in"
}

head -c 3M /dev/urandom >"$tmp/data"

# ---- by certificates ----

start_tls tls --tls=require --tls-certificates="$tmp/ours" --tls-verify-peer \
    zram 3M
server=$pid
works "nbds://localhost:$port/?tls-certificates=$tmp/ours" \
    tls-certificates="$tmp/ours"
refused "nbd://localhost:$port"
refused "nbds://localhost:$port/?tls-certificates=$tmp/anonymous"
refused "nbds://localhost:$port/?tls-certificates=$tmp/others"
not_through
not_through tls=require tls-certificates="$tmp/anonymous"
not_through tls=require tls-certificates="$tmp/others"
works "nbds://localhost:$port/?tls-certificates=$tmp/ours" \
    tls-certificates="$tmp/ours"
stop_nbdkit "$server"

# A server that only has another's certificate is not believed.
start_tls tls --tls=require --tls-certificates="$tmp/others" zram 3M
server=$pid
refused "nbds://localhost:$port/?tls-certificates=$tmp/ours"
stop_nbdkit "$server"

# ---- by shared keys ----

start_tls tls --tls=require --tls-psk="$tmp/keys/alice" zram 3M
server=$pid
works "nbds://alice@localhost:$port/?tls-psk-file=$tmp/keys/alice" \
    tls-psk="$tmp/keys/alice" tls-username=alice
refused "nbd://alice@localhost:$port"
refused "nbds://eve@localhost:$port/?tls-psk-file=$tmp/keys/eve"
refused "nbds://alice@localhost:$port/?tls-psk-file=$tmp/keys/forged"
not_through tls=require tls-psk="$tmp/keys/eve" tls-username=eve
not_through tls=require tls-psk="$tmp/keys/forged" tls-username=alice
stop_nbdkit "$server"
