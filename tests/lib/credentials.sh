# SPDX-License-Identifier: GPL-2.0-or-later
# Certificates and keys, good and bad ones, in $tmp: the directories ours,
# others, anonymous, expired and mixed; the files keys/alice, keys/eve and
# keys/forged.  And a server that has some.

requires certtool psktool
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
    # Who was a client of ours.
    mkdir "$tmp/expired"
    cp "$tmp/ours"/ca-*.pem "$tmp/expired/"
    certificate expired client tls_www_client \
        'activation_date = "2020-01-01 00:00:00 UTC"' \
        'expiration_date = "2020-01-02 00:00:00 UTC"'
} 2>"$tmp/certtool.log"
# Who trusts the server, but has nothing to show.
mkdir "$tmp/anonymous"
cp "$tmp/ours/ca-cert.pem" "$tmp/anonymous/"
# ... and shows what the others made.
cp -r "$tmp/others" "$tmp/mixed"
cp "$tmp/ours/ca-cert.pem" "$tmp/mixed/"

# ---- shared keys ----

mkdir "$tmp/keys"
for user in alice eve; do
    psktool -u "$user" -p "$tmp/keys/$user" >/dev/null
done
# eve knows of alice, but not what she knows.
sed 's/^eve/alice/' "$tmp/keys/eve" >"$tmp/keys/forged"

# ---- a server ----

# start_tls ADDRESS --tls-...: of 3M, at $port.  Where several threads have a
# connection, some versions of nbdkit go on with memory that was freed when a
# client leaves; a sanitizer sees that, and stops the server.
start_tls ()
{
    start_tcp tls "$1" -t 1 --tls=require "${@:2}" zram 3M
}
