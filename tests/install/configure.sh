#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The options of configure in README.md, and those of quickstart, make it
# install where nbdkit and systemd look, also where pkg-config does not know
# systemd.
. "${srcdir:-.}/tests/lib/functions.sh"

[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a build with a sanitizer is not installed"
requires pkg-config
src=$(cd "$srcdir" && pwd)
[ -x "$src/configure" ] && [ ! -e "$src/config.status" ] ||
    skip "this tree was configured in place"

# What README.md says, without what only continues the line.
readme=$(sed -n '/^    \.\/configure --prefix/,/[^\\]$/p' "$src/README.md" |
             tr -d '\\\n' | tr -s ' ' | sed 's|^ ./configure ||')
quickstart=$(. "$src/scripts/packages.sh" && echo $installed_options)
[ "$(echo $readme)" = "$quickstart" ] ||
    fail "README.md has '$readme', quickstart '$quickstart'"

mkdir "$tmp/bin" "$tmp/build"
pkg_config=$(command -v pkg-config)
cat >"$tmp/bin/pkg-config" <<END
#!/bin/sh
for word; do
    [ "\$word" != systemd ] || exit 1
done
exec "$pkg_config" "\$@"
END
chmod +x "$tmp/bin/pkg-config"
# shellcheck disable=SC2086
(cd "$tmp/build" &&
     "$src/configure" PKG_CONFIG="$tmp/bin/pkg-config" $readme) \
     >"$tmp/configure.log" 2>&1 || fail "configure $readme"

summary () { sed -n "s/^ *$1  *//p" "$tmp/configure.log"; }
units=$(summary 'systemd units')
[ "$units" = /usr/lib/systemd/system ] || [ "$units" = /lib/systemd/system ] ||
    fail "units go to '$units'"
[ "$(summary 'plugin directory')" = \
    "$(nbdkit --dump-config | sed -n 's/^plugindir=//p')" ] ||
    fail "the plugin goes to '$(summary 'plugin directory')'"
[ "$(summary settings)" = /etc/nbdzram ] || fail "settings: $(summary settings)"
