#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Packages by packaging/rpm/nbdzram.spec: built by rpmbuild from the tarball,
# with all that "make install" installs, each file in one of them, and with
# scriptlets that hand servers over and end them.  Nothing is installed.
#
# Debian's rpmbuild lacks some macros, and knows no package that is needed.
# This test defines what Fedora's macros give.
. "${srcdir:-.}/tests/lib/functions.sh"

requires rpmbuild rpm rpm2cpio cpio make socat pkg-config
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a build with a sanitizer is not packed"
[ -e "$top_builddir/systemd/nbdzram.service" ] ||
    skip "the units were not built"
spec=$srcdir/packaging/rpm/nbdzram.spec
version=$($nbdzram --version | cut -d ' ' -f 2)
[ "$(sed -n 's/^Version: *//p' "$spec")" = "$version" ] ||
    fail "the spec's version is not $version"
[ "$(sed -n '/^%changelog/{n;s/.* - //p}' "$spec")" = "$version-1" ] ||
    fail "the first entry of the spec's changelog is not about $version-1"

say () { echo "== $*"; }

# ---- build ----

# Not as a part of the make that runs this.
dir=nbdzram-rpm-test
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u TESTS \
    make -C "$top_builddir" dist distdir=$dir >"$tmp/dist.log" 2>&1 ||
    fail "make dist"
tar -C "$tmp" -xzf "$top_builddir/$dir.tar.gz"
rm "$top_builddir/$dir.tar.gz"
mkdir -p "$tmp/SOURCES"
mv "$tmp/$dir" "$tmp/nbdzram-$version"
tar -C "$tmp" -czf "$tmp/SOURCES/nbdzram-$version.tar.gz" "nbdzram-$version"
cmp "$tmp/nbdzram-$version/packaging/rpm/nbdzram.spec" "$spec" ||
    fail "the tarball has another spec"
rm -r "$tmp/nbdzram-$version"

cat >"$tmp/macros" <<'END'
%_unitdir %{_prefix}/lib/systemd/system
%_pkgdocdir %{_docdir}/%{name}
%bash_completions_dir %{_datadir}/bash-completion/completions
%zsh_completions_dir %{_datadir}/zsh/site-functions
%fish_completions_dir %{_datadir}/fish/vendor_completions.d
%systemd_ordering %{nil}
%systemd_post() if [ $1 -eq 1 ]; then echo preset %{?*}; fi
%systemd_preun() if [ $1 -eq 0 ]; then echo disable %{?*}; fi
%systemd_postun() %{nil}
END
# This machine's directory of libraries is where nbdkit's plugins are.  What
# is built is not used, so it is not optimized, has no packages for debuggers,
# and one unit test is enough.
plugindir=$(pkg-config --variable=plugindir nbdkit)
rpm_build ()
{
    env -u MAKELEVEL -u MFLAGS -u TESTS MAKEFLAGS=unit_programs=tests/unit/table \
        rpmbuild --nodeps --load "$tmp/macros" \
        --define "_topdir $tmp" --define "_tmppath $tmp" \
        --define "_libdir ${plugindir%/nbdkit/*}" \
        --define "optflags -O0" --define "debug_package %{nil}" \
        --define "_smp_mflags -j$(nproc)" "$@"
}

say "build"
rpm_build -ta "$tmp/SOURCES/nbdzram-$version.tar.gz" >"$tmp/build.log" 2>&1 ||
    fail "rpmbuild: $(grep -A 3 '^error:' "$tmp/build.log")"
! grep '^warning: File listed twice' "$tmp/build.log" || fail "listed twice"
grep -q '^# PASS: *[1-9]' "$tmp/build.log" || fail "%check ran no test"
packages=("$tmp"/RPMS/*/*.rpm)
[ -e "$tmp/SRPMS/nbdzram-$version-1.src.rpm" ] || fail "no source package"

# ---- files ----

say "files"
# files_of PACKAGE: as they were installed, without what rpm itself adds.
files_of ()
{
    rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$1" 2>/dev/null |
        sed -n -e '/\/\.build-id/d' -e '/^d/d' -e 's/^[^ ]* //p' |
        sed -e '/\/man\//s/\.gz$//' -e '/\/share\/licenses\//d'
}
for package in "${packages[@]}"; do files_of "$package"; done |
    sort >"$tmp/packaged"
[ -z "$(uniq -d "$tmp/packaged")" ] ||
    fail "in two packages: $(uniq -d "$tmp/packaged")"
# What this tree installs, where the packages have it.
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u TESTS \
    make -C "$top_builddir" install "DESTDIR=$tmp/root" prefix=/usr \
    sysconfdir=/etc plugindir="$plugindir" \
    systemdsystemunitdir=/usr/lib/systemd/system >"$tmp/install.log" 2>&1 ||
    fail "make install"
(cd "$tmp/root" && find . ! -type d | sed 's/^\.//' | sort) >"$tmp/installed"
comm -23 "$tmp/installed" "$tmp/packaged" >"$tmp/left"
[ ! -s "$tmp/left" ] || fail "in no package: $(cat "$tmp/left")"
comm -13 "$tmp/installed" "$tmp/packaged" | grep -v '^/usr/share/doc/nbdzram/' \
    >"$tmp/more" || :
[ ! -s "$tmp/more" ] || fail "not by make install: $(cat "$tmp/more")"

# What nbdkit looks for is in the plugin's package, and nothing else is.
plugin_package=$(ls "$tmp"/RPMS/*/nbdkit-zram-plugin-"$version"-1*.rpm)
[ "$(files_of "$plugin_package" | sort)" = "$plugindir/nbdkit-zram-plugin.so
/usr/share/man/man1/nbdkit-zram-plugin.1" ] || fail "$(files_of "$plugin_package")"
package=$(ls "$tmp"/RPMS/*/nbdzram-"$version"-1*.rpm)
for one in "$package" "$plugin_package"; do
    rpm -qpl "$one" >"$tmp/list" 2>/dev/null
    grep -q '^/usr/share/licenses/.*/COPYING$' "$tmp/list" ||
        fail "$one has no licence"
    [ "$one" = "$plugin_package" ] || grep -qx /etc/nbdzram "$tmp/list" ||
        fail "no directory of settings"
    [ "$(rpm -qp --qf '%{LICENSE}' "$one" 2>/dev/null)" = GPL-2.0-or-later ] ||
        fail "$one: its licence"
done

# The pictures of README.md are where it looks for them.
docs=$tmp/root/docs
mkdir "$docs"
(cd "$docs" && rpm2cpio "$package" | cpio -id --quiet '*/share/doc/*')
(cd "$docs"/usr/share/doc/nbdzram && sed -n 's/.*!\[.*](\(doc.*\))/\1/p' \
    README.md | xargs ls >/dev/null) || fail "pictures of README.md"

# ---- scriptlets ----

say "scriptlets"
# scriptlet NAME: writes it to $tmp/NAME, for a directory of this test instead
# of /run.
scriptlet ()
{
    rpm -qp --qf "%{$1}" "$package" 2>/dev/null |
        sed "s|/run/|$tmp/run/|g" >"$tmp/$1"
    bash -n "$tmp/$1" && sh -n "$tmp/$1" || fail "%$1: its syntax"
}
for name in POSTIN POSTTRANS PREUN; do
    scriptlet $name
    [ "$(rpm -qp --qf "%{${name}PROG}" "$package" 2>/dev/null)" = /bin/sh ] ||
        fail "%$name is not for sh"
done
[ "$(rpm -qp --qf '%{POSTIN}%{PREUN}%{POSTTRANS}' "$plugin_package" \
    2>/dev/null | sed 's/(none)//g')" = "" ] || fail "scriptlets of the plugin"

# Programs that record what they are asked for, and end with $CODE.
mkdir -p "$tmp/fake" "$tmp/run/nbdzram" "$tmp/run/systemd/system"
for program in nbdzram systemctl; do
    cat >"$tmp/fake/$program" <<END
#!/bin/sh
echo "$program \$*" >>"$tmp/asked"
[ $program = systemctl ] || exit \${CODE:-0}
END
    chmod +x "$tmp/fake/$program"
done

# run_scriptlet NAME ARG CODE STATUS: the program ends with CODE, and the
# scriptlet with STATUS.
run_scriptlet ()
{
    local status=0
    : >"$tmp/asked"
    CODE=$3 PATH=$tmp/fake:$PATH sh "$tmp/$1" "$2" >"$tmp/said" 2>&1 ||
        status=$?
    [ $status = "$4" ] || fail "%$1 ends with $status: $(cat "$tmp/said")"
}
asked () { [ "$(cat "$tmp/asked")" = "$1" ] || fail "$(cat "$tmp/asked")"; }

# No server, no swap.
run_scriptlet POSTTRANS 1 1 0
asked ""
run_scriptlet PREUN 0 1 0
! grep -q nbdzram\  "$tmp/asked" || fail "$(cat "$tmp/asked")"

socat UNIX-LISTEN:"$tmp/run/nbdzram/disk.sup" /dev/null &
servers+=($!)
eventually test -S "$tmp/run/nbdzram/disk.sup" || fail "no socket"
touch "$tmp/run/nbdzram/swap0.swap"

# An upgrade hands servers over, and ends and restarts none.
run_scriptlet POSTIN 2 0 0
[ ! -s "$tmp/said" ] || fail "$(cat "$tmp/said")"
run_scriptlet PREUN 1 0 0
asked ""
run_scriptlet POSTTRANS 2 0 0
asked "nbdzram upgrade disk"
grep -q 'disk runs the new version' "$tmp/said" || fail "$(cat "$tmp/said")"
run_scriptlet POSTTRANS 2 1 0
grep -q 'later, run: nbdzram upgrade disk' "$tmp/said" ||
    fail "$(cat "$tmp/said")"

# A removal ends all, swap first; what can't be ended keeps the package.
run_scriptlet PREUN 0 0 0
head -n 2 "$tmp/asked" | diff - <(echo "nbdzram swapoff swap0"
    echo "nbdzram stop disk") || fail "$(cat "$tmp/asked")"
grep -qx 'disable nbdzram.service nbdzram-metrics.socket' "$tmp/said" ||
    fail "$(cat "$tmp/said")"
run_scriptlet PREUN 0 1 1
asked "nbdzram swapoff swap0"
! grep -q disable "$tmp/said" || fail "disabled, and not ended"

# ---- rpmlint ----

command -v rpmlint >/dev/null || { echo "rpmlint is not installed"; exit 0; }
say "rpmlint"
# Outside Fedora it asks for what Fedora does without, and takes the page
# nbdzram.conf.5 for one of a section "conf.5".
not_fedora='no-(group|packager|url)-tag|no-signature|bad-manual-page-folder'
rpmlint "$spec" "$package" "$plugin_package" >"$tmp/rpmlint" 2>&1 || :
grep -q '[0-9] packages and [0-9] specfiles checked' "$tmp/rpmlint" ||
    fail "$(cat "$tmp/rpmlint")"
! grep ': E: ' "$tmp/rpmlint" | grep -Ev ": E: ($not_fedora)( |\$)" ||
    fail "rpmlint"
