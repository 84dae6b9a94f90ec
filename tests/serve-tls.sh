#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may connect to a supervised server that listens at an address, by TLS;
# and one that lets everybody in says so.
. "${srcdir:-.}/tests/functions.sh"
. "${srcdir:-.}/tests/serve-functions.sh"
. "${srcdir:-.}/tests/credentials.sh"

requires nbdinfo

# get_in URI / stay_out URI
get_in ()
{
    [ "$(nbdinfo --size "$1")" = 16777216 ] || fail "$1: not let in"
}

stay_out ()
{
    ! timeout 60 nbdinfo --size "$1" >"$tmp/got" 2>&1 || fail "$1: let in"
}

complains () { grep -q 'whoever reaches' "$tmp/$1.log"; }

# ---- everybody ----

serve open --size=16M --listen=:0
complains open || fail "$(cat "$tmp/open.log")"
get_in "$(sup open '.listen[0]' |
    sed 's/0\.0\.0\.0/127.0.0.1/; s/\[::\]/[::1]/')"
stop open
serve here --size=16M --listen=localhost:0
! complains here || fail "it listens at this machine only"
stop here

serve list --size=16M --listen=:0 allow=127.0.0.0/8,::1
! complains list || fail "it has a list"
stop list

# ---- by a key ----

serve key --size=16M --listen=:0 tls-psk="$tmp/keys/alice"
! complains key || fail "it has TLS"
uri=$(sup key '.listen[0]')
[[ $uri = nbds://* ]] || fail "$uri"
port=${uri##*:}
psk=tls-psk-file=$tmp/keys
get_in "nbds://alice@localhost:$port/?$psk/alice"
stay_out "nbd://localhost:$port/"
stay_out "nbds://alice@localhost:$port/?$psk/forged"
# More than one make some versions of nbdkit use what they have freed.
tr '\0' ' ' <"/proc/$(server_pid key)/cmdline" | grep -q 'nbdkit -f -t 1 ' ||
    fail "it has several threads a connection"
# Its successor asks for it, too.
kill -9 "$(server_pid key)"
eventually is_ready key
get_in "nbds://alice@localhost:$port/?$psk/alice"
stay_out "nbd://localhost:$port/"
stop key

# ---- by certificates ----

cat >"$NBDZRAM_CONF_DIR/cert.conf" <<END
size = 16M
listen = localhost:0
tls-certificates = $tmp/ours
END
serve cert
port=$(sup cert '.listen[0]')
port=${port##*:}
get_in "nbds://localhost:$port/?tls-certificates=$tmp/ours"
stay_out "nbds://localhost:$port/?tls-certificates=$tmp/anonymous"
stay_out "nbds://localhost:$port/?tls-certificates=$tmp/others"
stop cert

# ---- mistakes ----

exits 1 'tls-psk: the kernel, which swaps, knows no TLS' \
    serve bad --size=16M --swap tls-psk="$tmp/keys/alice"
exits 1 'bad: .*none' serve bad --size=16M tls-psk="$tmp/none"
