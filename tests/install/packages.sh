#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's packages: built from the tarball, checked by lintian, installed,
# used, upgraded while a client is connected, and purged.  It needs a system
# that may be changed.  scripts/fresh-debian has one, and runs it by
# "make check-packages".
. "${srcdir:-.}/tests/lib/functions.sh"

[ "${NBDZRAM_FRESH:-}" ] || skip "it installs packages, on a fresh Debian only"
requires dpkg-buildpackage dh lintian
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a build with a sanitizer is not installed"
reconnect=$(cd "$top_builddir" && pwd)/tests/lib/nbd-reconnect
# Root's servers are where those of the units are.
unset XDG_RUNTIME_DIR
export DEBIAN_FRONTEND=noninteractive

say () { echo "== $*"; }

# However it ends, the packages are not there afterwards.
remove_packages ()
{
    local status=$?
    rm -rf "$tmp/fake/nbdzram"
    dpkg --purge nbdzram nbdkit-plugin-zram >/dev/null 2>&1 || :
    rmdir -p /run/systemd/system 2>/dev/null || :
    cleanup $status
}
trap remove_packages EXIT

# ---- build ----

# Not as a part of the make that runs this.
make_dist ()
{
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u TESTS \
        make -C "$top_builddir" dist distdir=nbdzram-packages \
        >"$tmp/dist.log" 2>&1 || fail "make dist"
    mv "$top_builddir/nbdzram-packages.tar.gz" "$tmp"
}

# build VERSION [OPTION]: the packages are in $tmp/VERSION.
build ()
{
    local version=$1
    shift
    mkdir "$tmp/$version"
    (cd "$tmp/nbdzram-packages" &&
         DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" \
         dpkg-buildpackage -us -uc "$@") >"$tmp/build-$version.log" 2>&1 ||
        fail "building $version: $(tail -n 30 "$tmp/build-$version.log")"
    mv "$tmp"/*_"$version"_*.deb "$tmp/$version"
}

say "build"
make_dist
first=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$srcdir/debian/changelog")
upstream=${first%-*} second=$first+again
[ "$upstream" = "$($nbdzram --version | cut -d ' ' -f 2)" ] ||
    fail "debian/changelog is about $upstream"
tar -C "$tmp" -xzf "$tmp/nbdzram-packages.tar.gz"
mv "$tmp/nbdzram-packages.tar.gz" "$tmp/nbdzram_$upstream.orig.tar.gz"
build "$first"

say "lintian"
(cd "$tmp" && cp "$first"/*.deb . &&
     lintian --tag-display-limit 0 --fail-on error,warning ./*.changes) \
     >"$tmp/lintian" 2>&1 || fail "lintian: $(cat "$tmp/lintian")"
rm "$tmp"/*.deb

# The same objects, in packages of a higher version.
say "build another version"
sed "1s/($first)/($second)/" "$srcdir/debian/changelog" >"$tmp/changelog"
cat "$tmp/changelog" "$srcdir/debian/changelog" \
    >"$tmp/nbdzram-packages/debian/changelog"
build "$second" -b -nc

# ---- install ----

# As with systemd, but nothing is started: what maintainer scripts ask of it
# is recorded.
mkdir "$tmp/fake"
cat >"$tmp/fake/systemctl" <<END
#!/bin/sh
echo "\$*" >>"$tmp/systemctl"
END
chmod +x "$tmp/fake/systemctl"
: >"$tmp/systemctl"

apt ()
{
    apt-get -q -y -o Dpkg::Use-Pty=0 -o "DPkg::Path=$tmp/fake:$PATH" \
        -o APT::Install-Recommends=false "$@" >"$tmp/apt.log" 2>&1
}

files ()
{
    {
        find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp \
             -o -path /var/cache -o -path /var/log -o -path /var/lib/apt \
             -o -path /var/lib/dpkg -o -path "$(realpath "$top_builddir")" \
             \) -prune -o -print
        find /run ! -name systemd-units-load
    } | sort -u
}

version_of () { dpkg-query -W -f '${Version}' "$1"; }

say "install"
mkdir -p /run/systemd/system
files >"$tmp/before"
apt install "$tmp/$first"/*.deb || fail "install"
[ "$(version_of nbdzram)" = "$first" ] || fail "$(version_of nbdzram)"
for page in man1/nbdkit-zram-plugin.1 man5/nbdzram.conf.5 man8/nbdzram.8; do
    [ -s "/usr/share/man/$page.gz" ] || fail "$page is not there"
done
[ "$(nbdkit -U - zram 64M --run 'nbdinfo --size "$uri"')" = $((64 << 20)) ] ||
    fail "nbdkit zram"
# Units are where systemd looks, and run what is installed.
if systemd-analyze verify --man=no basic.target >/dev/null 2>&1; then
    out=$(systemd-analyze verify --man=no nbdzram.service nbdzram@x.service \
              nbdzram-swap@x.service nbdzram-metrics.socket 2>&1 |
              grep "nbdzram" | grep -v "Unknown key" || :)
    [ -z "$out" ] || fail "units: $out"
fi
[ -s /usr/share/doc/nbdzram/examples/grafana-dashboard.json ] &&
    [ -s /usr/share/doc/nbdzram/examples/prometheus-alerts.yml ] ||
    fail "no examples for monitoring"
[ ! -s "$tmp/systemctl" ] || ! grep -q nbdzram "$tmp/systemctl" ||
    fail "a unit was started: $(cat "$tmp/systemctl")"

# ---- a server and its client ----

say "serve"
cp /usr/share/doc/nbdzram/examples/zram0.conf /etc/nbdzram
/usr/bin/nbdzram serve --daemon zram0 || fail "serve"
server_pid () { /usr/bin/nbdzram status --raw -n -o PID zram0; }
# What the process PID runs; a file that was replaced is "(deleted)".
program_of () { readlink "/proc/$1/exe"; }
server=$(server_pid) supervisor=$(ps -o ppid= -p "$(server_pid)" | tr -d ' ')
servers=("$supervisor" "$server")
uri="nbd+unix:///?socket=/run/nbdzram/zram0.sock"
"$reconnect" -c 2 -p 2000 "$uri" >"$tmp/client.log" 2>&1 &
client=$!
servers+=("$client")
sleep 1
kill -0 "$client" || fail "the client has ended: $(cat "$tmp/client.log")"

say "upgrade"
: >"$tmp/systemctl"
apt install "$tmp/$second"/*.deb || fail "upgrade"
[ "$(version_of nbdzram)" = "$second" ] || fail "$(version_of nbdzram)"
grep -q 'zram0 runs the new version' "$tmp/apt.log" ||
    fail "not handed over: $(cat "$tmp/apt.log")"
new=$(server_pid)
servers+=("$new")
[ "$new" != "$server" ] || fail "the server is still the old one"
[ "$(program_of "$new")" = /usr/sbin/nbdzramd ] || fail "$(program_of "$new")"
# It replaces itself after its reply.
is_new () { [ "$(program_of "$supervisor")" = /usr/bin/nbdzram ]; }
eventually is_new || fail "the supervisor is the old one"
grep -q '^daemon-reload$' "$tmp/systemctl" || fail "systemd knows old units"
! grep 'start\|stop\|nbdzram' "$tmp/systemctl" ||
    fail "units are stopped or started"
sleep 1
kill -TERM "$client" || fail "the client has ended: $(cat "$tmp/client.log")"
wait "$client" || fail "the client: $(cat "$tmp/client.log")"
cat "$tmp/client.log"
grep -q ', [1-9][0-9]* reconnects,' "$tmp/client.log" ||
    fail "the client never saw the new server"

# ---- removal ----

say "a disk that can't be ended"
cat >"$tmp/fake/nbdzram" <<'END'
#!/bin/sh
[ "$1" != stop ]
END
chmod +x "$tmp/fake/nbdzram"
! apt remove nbdzram || fail "removed, with a disk in use"
[ "$(server_pid)" = "$new" ] || fail "the server has ended"
[ "$(version_of nbdzram)" = "$second" ] || fail "the package has gone"
rm "$tmp/fake/nbdzram"

say "purge"
enabled=/etc/systemd/system/multi-user.target.wants
mkdir -p "$enabled"
for kind in '' -swap -mount; do
    ln -s "/usr/lib/systemd/system/nbdzram$kind@.service" \
        "$enabled/nbdzram$kind@disk.service"
done
sockets=/etc/systemd/system/sockets.target.wants
mkdir -p "$sockets"
ln -s /usr/lib/systemd/system/nbdzram-metrics.socket "$sockets"
apt purge nbdzram nbdkit-plugin-zram || fail "purge"
for pid in "$supervisor" "$new"; do
    [ ! -e "/proc/$pid" ] || fail "$pid still runs"
done
rmdir "$enabled" "$sockets" 2>/dev/null || :
# Empty directories that had been there before may have gone, too.
files | comm -13 "$tmp/before" - >"$tmp/left"
[ ! -s "$tmp/left" ] || fail "left: $(cat "$tmp/left")"
! dpkg-query -W nbdzram nbdkit-plugin-zram >"$tmp/known" 2>/dev/null ||
    [ ! "$(sed 's/.*\t//' "$tmp/known" | tr -d '\n')" ] ||
    fail "dpkg knows $(cat "$tmp/known")"
