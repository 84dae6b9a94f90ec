#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make install puts everything in place, and make uninstall leaves nothing.
. "${srcdir:-.}/tests/lib/functions.sh"

[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a build with a sanitizer is not installed"
requires make
root=$tmp/root

# Not as a part of the make that runs this.
run_make ()
{
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u DESTDIR -u TESTS \
        make -C "$top_builddir" "$1" "DESTDIR=$root" >"$tmp/make.log" 2>&1
}

# What configure was told: the variable NAME of the Makefile.
variable ()
{
    printf 'include Makefile\nshow-it:\n\t@echo $(%s)\n' "$1" |
        env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS \
            make -s -C "$top_builddir" -f - show-it 2>/dev/null
}

has ()
{
    local file
    for file; do
        [ -s "$root$file" ] || fail "$file is not installed"
    done
}

run_make install || fail "make install"
bindir=$(variable bindir)
mandir=$(variable mandir)
unitdir=$(variable systemdsystemunitdir)
docdir=$(variable docdir)
confdir=$(variable sysconfdir)/nbdzram

has "$bindir/nbdzram" "$(variable sbindir)/nbdzramd" \
    "$(variable plugindir)/nbdkit-zram-plugin.so" \
    "$(variable bashcompletiondir)/nbdzram" \
     "$(variable zshcompletiondir)/_nbdzram" \
     "$(variable fishcompletiondir)/nbdzram.fish" \
     "$docdir/swap0.conf" "$docdir/zram0.conf" \
     "$docdir/grafana-dashboard.json" "$docdir/prometheus-alerts.yml"
[ -d "$root$confdir" ] || fail "$confdir is not there"
"$root$bindir/nbdzram" --version | grep -q '^nbdzram '
"$root$(variable sbindir)/nbdzramd" --version | grep -q '^nbdzramd '

# Each page, under its name and section.
if [ "$(variable POD2MAN)" != no ]; then
    for page in $(variable man_MANS); do
        has "$mandir/man${page##*.}/${page#man/}"
    done
    has "$mandir/man5/nbdzram.conf.5" "$mandir/man7/nbdzram-swap.7" \
        "$mandir/man8/nbdzram.8"
    for verb in $("$root$bindir/nbdzram" --help |
            sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
        has "$mandir/man8/nbdzram-$verb.8"
    done
fi

# What units run is there.
if [ "$unitdir" != no ]; then
    has "$unitdir/nbdzram.service" "$unitdir/nbdzram@.service" \
        "$unitdir/nbdzram-swap@.service" "$unitdir/nbdzram-mount@.service" \
        "$unitdir/nbdzram-metrics.socket" \
        "$unitdir/nbdzram-metrics@.service" \
        "$unitdir/systemd-hibernate.service.d/nbdzram.conf"
    sed -n -e 's/^Exec[A-Za-z]*=[-@]*\([^ ]*\).*/\1/p' \
        -e "s/^Exec.* exec \([^ ]*\).*/\1/p" "$root$unitdir"/nbdzram*.service |
        sort -u >"$tmp/programs"
    grep -qx "$bindir/nbdzram" "$tmp/programs" || fail "$(cat "$tmp/programs")"
    while read -r program; do
        [ "$program" = /bin/sh ] || [ -x "$root$program" ] ||
            fail "a unit runs $program"
    done <"$tmp/programs"
fi

# What the administrator wrote stays; nothing else does.
echo 'size = 1G' >"$root$confdir/mine.conf"
run_make uninstall || fail "make uninstall"
left=$(find "$root" -type f -o -type l)
[ "$left" = "$root$confdir/mine.conf" ] || fail "left: $left"
rm "$root$confdir/mine.conf"
run_make install || fail "make install, again"
run_make uninstall || fail "make uninstall, again"
left=$(find "$root" -type f -o -type l)
[ -z "$left" ] || fail "left: $left"
[ ! -e "$root$confdir" ] || fail "$confdir is left"
