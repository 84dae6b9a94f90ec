#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Encrypted, by nbdkit's own options: with certificates and with shared
# keys, to libnbd's programs and to another nbdkit.  Who has none, another
# one's, or one that is over, speaks in the clear, or means a server of
# another name gets no byte.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/credentials.sh"

requires nbdinfo nbdcopy

# ---- trying ----

# works URI: what is written is what is read, by libnbd and through an
# nbdkit that has the credentials given as further arguments.
works ()
{
    local where=$1
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

start_tls localhost --tls-certificates="$tmp/ours" --tls-verify-peer
server=$pid
works "nbds://localhost:$port/?tls-certificates=$tmp/ours" \
    tls-certificates="$tmp/ours"
refused "nbd://localhost:$port"
refused "nbds://localhost:$port/?tls-certificates=$tmp/anonymous"
for who in others mixed expired; do
    refused "nbds://localhost:$port/?tls-certificates=$tmp/$who"
done
not_through
for who in anonymous others mixed expired; do
    not_through tls=require tls-certificates="$tmp/$who"
done
works "nbds://localhost:$port/?tls-certificates=$tmp/ours" \
    tls-certificates="$tmp/ours"
stop_nbdkit "$server"

# The same server, by an address that its certificate doesn't have.
start_tls 127.0.0.1 --tls-certificates="$tmp/ours"
server=$pid
refused "nbds://127.0.0.1:$port/?tls-certificates=$tmp/ours"
works "nbds://localhost:$port/?tls-certificates=$tmp/ours" \
    tls-certificates="$tmp/ours"
stop_nbdkit "$server"

# A server that only has another's certificate is not believed.
start_tls localhost --tls-certificates="$tmp/others"
server=$pid
refused "nbds://localhost:$port/?tls-certificates=$tmp/ours"
stop_nbdkit "$server"

# ---- by shared keys ----

start_tls localhost --tls-psk="$tmp/keys/alice"
server=$pid
works "nbds://alice@localhost:$port/?tls-psk-file=$tmp/keys/alice" \
    tls-psk="$tmp/keys/alice" tls-username=alice
refused "nbd://alice@localhost:$port"
refused "nbds://eve@localhost:$port/?tls-psk-file=$tmp/keys/eve"
refused "nbds://alice@localhost:$port/?tls-psk-file=$tmp/keys/forged"
not_through tls=require tls-psk="$tmp/keys/eve" tls-username=eve
not_through tls=require tls-psk="$tmp/keys/forged" tls-username=alice
stop_nbdkit "$server"
