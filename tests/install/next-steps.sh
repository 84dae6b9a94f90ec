#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What quickstart prints as the next steps works, word by word; what is then
# installed is found by nbdkit, man and nbdzram, and can be uninstalled.  It
# needs a system that may be changed, as packages.sh does.
. "${srcdir:-.}/tests/lib/functions.sh"

[ "${NBDZRAM_FRESH:-}" ] || skip "it installs nbdzram, on a fresh Debian only"
requires make man pgrep
cd "$srcdir"
# Not as a part of the make that runs this.
unset MAKEFLAGS MAKELEVEL MFLAGS TESTS XDG_RUNTIME_DIR srcdir top_builddir
installed=
others=$(pgrep -x nbdkit || :)

undo ()
{
    local status=$? pid
    for pid in $(pgrep -x nbdkit | grep -vxF "$others"); do kill "$pid"; done
    [ ! "$installed" ] || make -C build uninstall >/dev/null 2>&1 || :
    cleanup $status
}
trap undo EXIT

./quickstart >"$tmp/out" 2>"$tmp/quickstart.log" || fail "quickstart"
grep -q ' of files of the system$' "$tmp/out" || fail "$(cat "$tmp/out")"
sed '1,/^Next:$/d; s/^  //; s/   *[^ ].*//' "$tmp/out" \
    >"$tmp/steps"
sed -n '/^Next:$/,$p' "$tmp/out"
[ "$(wc -l <"$tmp/steps")" = 5 ] || fail "steps: $(cat "$tmp/steps")"
while read -r step; do
    echo "== $step"
    case $step in *"make "*) installed=1 ;; esac
    sh -c "$step" </dev/null >"$tmp/step" 2>&1 ||
        fail "$step: $(tail -n 20 "$tmp/step")"
    # It serves in the background.
    case $step in
        *"zram 8G")
            eventually nbdinfo --size nbd://localhost >"$tmp/size"
            [ "$(tail -n 1 "$tmp/size")" = $((8 << 30)) ] || fail "$step" ;;
    esac
done <"$tmp/steps"
[ "$installed" ] || fail "no step installs it"

[ "$(nbdkit -U - zram 64M --run 'nbdinfo --size "$uri"')" = $((64 << 20)) ] ||
    fail "nbdkit does not find the plugin"
man -w nbdkit-zram-plugin >/dev/null || fail "man does not find the page"
[ -d /etc/nbdzram ] || fail "no /etc/nbdzram"
/usr/bin/nbdzram serve nothing >"$tmp/step" 2>&1 && fail "serve without settings"
grep -q ' no /etc/nbdzram/nothing.conf; ' "$tmp/step" || fail "$(cat "$tmp/step")"
[ -e /usr/lib/systemd/system/nbdzram.service ] ||
    [ -e /lib/systemd/system/nbdzram.service ] || fail "no units"
make -C build uninstall >"$tmp/step" 2>&1 || fail "make uninstall"
installed=
[ ! -e /usr/bin/nbdzram ] || fail "make uninstall leaves nbdzram"
