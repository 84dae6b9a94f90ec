#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu's block layer as a client by TLS, with certificates and with shared
# keys.  Who has none, another one's, or one that is over, speaks in the
# clear, or means a server of another name, gets no byte and leaves none.
. "${srcdir:-.}/tests/functions.sh"
. "${srcdir:-.}/tests/credentials.sh"

requires qemu-io nbdinfo
qemu-io --help | grep -q -e --object || skip "this qemu-io takes no --object"

# ---- credentials as qemu wants them ----

# A directory for each user, and the file in it is keys.psk.
for user in alice eve forged; do
    mkdir "$tmp/psk-$user"
    cp "$tmp/keys/$user" "$tmp/psk-$user/keys.psk"
done
certs=tls-creds-x509,id=creds,endpoint=client,dir=$tmp
psk=tls-creds-psk,id=creds,endpoint=client,dir=$tmp/psk

# qemu OBJECT[:NAME] COMMAND...: commands of qemu-io at localhost, by an
# object with credentials, or "clear".  The server is to be called NAME.
qemu ()
{
    local object=${1%%:*} name='' args=() c out
    local image=driver=raw,file.driver=nbd,file.server.type=inet
    image+=,file.server.host=localhost,file.server.port=$port
    [ "$object" = "$1" ] || name=${1#*:}
    shift

    if [ "$object" != clear ]; then
        args+=(--object "$object")
        image+=,file.tls-creds=creds${name:+,file.tls-hostname=$name}
    fi
    for c; do args+=(-c "$c"); done
    out=$(timeout 60 qemu-io "${args[@]}" --image-opts "$image" 2>&1) &&
        ! grep -qi 'fail\|error\|can.t' <<<"$out" || {
        echo "$out" >"$tmp/why"
        return 1
    }
}

works ()
{
    qemu "$1" "write -P $2 0 1M" "read -P $2 0 1M" ||
        fail "$1: $(cat "$tmp/why")"
}

# refused OBJECT PATTERN: it says so, or else was refused for something else.
refused ()
{
    ! qemu "$1" "write -P 99 0 1M" || fail "$1: got in"
    grep -qi -e "$2" "$tmp/why" ||
        fail "$1: does not say '$2': $(cat "$tmp/why")"
}

# By the server; by qemu, which looks at what it has and at what it is shown.
clear='requires TLS\|TLS negotiation required'
server='TLS channel\|handshake failed'
unknown='known issuer'
name='does not match the hostname'

# ---- by certificates ----

start_tls localhost --tls-certificates="$tmp/ours" --tls-verify-peer
works "$certs/ours" 1
refused clear "$clear"
refused "$certs/anonymous" "$server"
refused "$certs/others" "$unknown"
refused "$certs/mixed,sanity-check=no" "$server"
refused "$certs/expired" 'has expired'
refused "$certs/expired,sanity-check=no" "$server"
refused "$certs/ours:elsewhere" "$name"
works "$certs/ours:localhost" 2
stop_nbdkit "$pid"

# As one has it who wants to know the server, but not its clients.
start_tls localhost --tls-certificates="$tmp/ours"
works "$certs/anonymous" 3
refused clear "$clear"
refused "$certs/others" "$unknown"
refused "$certs/anonymous:elsewhere" "$name"
stop_nbdkit "$pid"

# ---- by shared keys ----

start_tls localhost --tls-psk="$tmp/keys/alice"
works "$psk-alice,username=alice" 4
refused clear "$clear"
refused "$psk-eve,username=eve" "$server"
refused "$psk-forged,username=alice" "$server"
refused "$certs/ours" "$server"
# What was refused wrote nothing.
qemu "$psk-alice,username=alice" "read -P 4 0 1M" || fail "$(cat "$tmp/why")"
stop_nbdkit "$pid"
