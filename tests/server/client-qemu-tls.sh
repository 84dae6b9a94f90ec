#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu's block layer as a client by TLS, with certificates and with shared
# keys.  Who has none, another one's, or one that is over, speaks in the
# clear, or means a server of another name, gets no byte and leaves none.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/credentials.sh"

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
    local object=${1%%:*} name='' args=() c out code=0
    local image=driver=raw,file.driver=nbd,file.server.type=inet
    image+=,file.server.host=localhost,file.server.port=$port
    [ "$object" = "$1" ] || name=${1#*:}
    shift

    if [ "$object" != clear ]; then
        args+=(--object "$object")
        image+=,file.tls-creds=creds${name:+,file.tls-hostname=$name}
    fi
    for c; do args+=(-c "$c"); done
    out=$(timeout 60 qemu-io "${args[@]}" --image-opts "$image" 2>&1) ||
        code=$?
    echo "$out" >"$tmp/why"
    [ $code != 124 ] || fail "qemu-io $object${name:+:$name} hangs: $out"
    [ $code = 0 ] && ! grep -qi 'fail\|error\|can.t' <<<"$out"
}

# works OBJECT PATTERN: it writes, and reads what it wrote.
works ()
{
    qemu "$1" "write -P $2 0 1M" "read -P $2 0 1M" ||
        fail "$1: $(cat "$tmp/why")"
    written=$2
}

# Each differs in one thing from one that works, so that is why it does not.
# How qemu or its library says so is theirs.
refused ()
{
    ! qemu "$1" "write -P 99 0 1M" || fail "$1: got in"
}

# Those that were refused wrote nothing, and the server goes on.
unharmed ()
{
    qemu "$1" "read -P $written 0 1M" || fail "$1: $(cat "$tmp/why")"
}

# ---- by certificates ----

start_tls localhost --tls-certificates="$tmp/ours" --tls-verify-peer
works "$certs/ours" 1
works "$certs/ours,sanity-check=no" 2
works "$certs/ours:localhost" 3
refused clear
refused "$certs/anonymous"
refused "$certs/others"
refused "$certs/mixed"
refused "$certs/mixed,sanity-check=no"
refused "$certs/expired"
refused "$certs/expired,sanity-check=no"
refused "$certs/ours:elsewhere"
unharmed "$certs/ours"
stop_nbdkit "$pid"

# As one has it who wants to know the server, but not its clients.
start_tls localhost --tls-certificates="$tmp/ours"
works "$certs/anonymous" 4
works "$certs/mixed,sanity-check=no" 5
works "$certs/anonymous:localhost" 6
refused clear
refused "$certs/others"
refused "$certs/anonymous:elsewhere"
unharmed "$certs/anonymous"
stop_nbdkit "$pid"

# ---- by shared keys ----

start_tls localhost --tls-psk="$tmp/keys/alice"
works "$psk-alice,username=alice" 7
refused clear
refused "$psk-eve,username=eve"
refused "$psk-forged,username=alice"
refused "$certs/ours"
unharmed "$psk-alice,username=alice"
stop_nbdkit "$pid"
