#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Which clients may connect to a supervised server that listens at an address,
# by TLS; a server that is open to all logs a warning.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"
. "${srcdir:-.}/tests/lib/credentials.sh"

requires nbdinfo

# get_in URI: a client can connect.  stay_out URI: it is refused.
get_in ()
{
    [ "$(nbdinfo --size "$1")" = 16777216 ] || fail "$1: not let in"
}

stay_out ()
{
    ! timeout 60 nbdinfo --size "$1" >"$tmp/got" 2>&1 || fail "$1: let in"
}

complains () { grep -q 'any machine that reaches' "$tmp/$1.log"; }

# ---- open to all ----

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
# The next server requires the key, too.
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

# GnuTLS would take these, and refuse every client.
bad_psk ()
{
    exits 1 "bad: tls-psk: $2: $1" serve bad --size=16M tls-psk="$2"
}
: >"$tmp/keys/empty"
bad_psk 'the file has no key' "$tmp/keys/empty"
echo '# psktool writes them' >"$tmp/keys/comment"
bad_psk 'the file has no key' "$tmp/keys/comment"
bad_psk 'Is a directory' "$tmp/keys"
bad_psk 'No such file' "$tmp/none"
for line in alice alice: alice:xyz alice:abc :abcd 'alice:abcd ' \
        'alice: abcd' $'alice:abcd\r'; do
    { cat "$tmp/keys/alice"; echo "$line"; } >"$tmp/keys/malformed"
    bad_psk 'line 2 is not USER:KEY' "$tmp/keys/malformed"
done

# bad_directory FILE WHY COMMAND: COMMAND spoils a copy of a good directory.
bad_directory ()
{
    rm -rf "$tmp/broken"
    cp -r "$tmp/ours" "$tmp/broken"
    (cd "$tmp/broken" && eval "$3")
    exits 1 "bad: .*$1.*$2" serve bad --size=16M tls-certificates="$tmp/broken"
}
bad_directory ca-cert.pem 'no certificate' ': >ca-cert.pem'
bad_directory ca-cert.pem 'no certificate' 'echo x >ca-cert.pem'
bad_directory ca-cert.pem 'no certificate' 'cp ca-key.pem ca-cert.pem'
bad_directory ca-cert.pem '' 'sed -i "/^-----BEGIN/a x-x" ca-cert.pem'
bad_directory ca-cert.pem '' 'sed -i 3d ca-cert.pem'
bad_directory ca-cert.pem '' 'sed -i /END/d ca-cert.pem'
bad_directory ca-cert.pem 'No such file' 'rm ca-cert.pem'
bad_directory ca-cert.pem 'Is a directory' 'rm ca-cert.pem; mkdir ca-cert.pem'
for file in server-cert.pem server-key.pem; do
    bad_directory $file '' ": >$file"
    bad_directory $file '' "echo x >$file"
    bad_directory $file 'No such file' "rm $file"
    bad_directory $file 'Is a directory' "rm $file; mkdir $file"
done
bad_directory server-cert.pem '' 'cp client-key.pem server-key.pem'
# Any name in the certificate is accepted, and any authority of the list.
rm -rf "$tmp/broken"
cp -r "$tmp/ours" "$tmp/broken"
cp "$tmp/others"/server-*.pem "$tmp/broken/"
cat "$tmp/others/ca-cert.pem" >>"$tmp/broken/ca-cert.pem"
serve other --size=16M tls-certificates="$tmp/broken"
stop other
