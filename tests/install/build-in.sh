#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# quickstart and runtests configure a tree again when options or packages
# have changed, and only then; a tree configured in place keeps its options.
. "${srcdir:-.}/tests/lib/functions.sh"

scripts=$(cd "$srcdir/scripts" && pwd)
top=$tmp/tree
log=$tmp/log
ran=$tmp/ran
unset NBDZRAM_CONFIGURE CC CPPFLAGS CFLAGS LDFLAGS MAKEFLAGS MAKELEVEL

# ---- a tree, and packages, that say what is done with them ----

mkdir "$top" "$tmp/bin" "$tmp/installed"
PATH=$tmp/bin:$PATH
cat >"$tmp/bin/pkg-config" <<END
#!/bin/sh
case \$1 in
    --modversion|--exists) cat "$tmp/installed/\$2" ;;
    *) exit 1 ;;
esac
END
touch -d '1 hour ago' "$top/configure.ac"
cat >"$top/configure" <<END
#!/bin/sh
echo "configure \$*" >>"$ran"
[ -e "$tmp/installed/cmocka" ] || without='#'
cat >config.status <<INNER
#!/bin/sh
echo "config.status \\\$*" >>"$ran"
exit 0
S["HAVE_CMOCKA_TRUE"]="\$without"
S["HAVE_ZSTD_TRUE"]=""
INNER
chmod +x config.status
printf 'all:\nclean:\n\t@echo clean >>%s\n' "$ran" >Makefile
END
chmod +x "$tmp/bin/pkg-config" "$top/configure"
echo 1.32 >"$tmp/installed/nbdkit"

# does LINES ARGS...: build_in with these arguments does just that.
does ()
{
    local wanted=$1 found
    shift

    : >"$ran"
    # It leaves the shell when it fails.
    (. "$scripts/packages.sh" && build_in "$@") ||
        fail "build_in $*: $(cat "$log")"
    found=$(tr '\n' ';' <"$ran")
    [ "$found" = "$wanted" ] || fail "build_in $*: does '$found', not '$wanted'"
}

lacks ()
{
    local found
    found=$(. "$scripts/packages.sh" && not_built "$1")
    [ "$found" = "$2" ] || fail "$1 lacks '$found'"
}

# ---- in a directory of its own ----

b=$top/build
does 'configure ;' "$b"
lacks "$b" cmocka
does '' "$b"
# A package comes, as when runtests follows quickstart, or is upgraded.
echo 1.1.7 >"$tmp/installed/cmocka"
does 'configure ;' "$b"
lacks "$b" ''
does '' "$b"
echo 1.42 >"$tmp/installed/nbdkit"
does 'configure ;' "$b"
does '' "$b"
# Other options make other objects.
does 'clean;configure --enable-werror;' "$b" --enable-werror
does '' "$b" --enable-werror
NBDZRAM_CONFIGURE=--enable-werror does '' "$b"
does 'clean;configure ;' "$b"
CFLAGS=-O3 does 'clean;configure ;' "$b"
CFLAGS=-O3 does '' "$b"
does 'clean;configure ;' "$b"

# What somebody has configured by hand, before or since.
rm "$b/configured-for"
does 'clean;configure ;' "$b"
sleep 0.1
(cd "$b" && ../configure --enable-werror)
does 'clean;configure ;' "$b"
does '' "$b"

# When that fails, it is tried again.
mv "$top/configure" "$tmp/good"
printf '#!/bin/sh\nexit 1\n' >"$top/configure"
chmod +x "$top/configure"
(. "$scripts/packages.sh" && build_in "$b" --with-it) 2>"$tmp/err" &&
    fail "configure failed, and nobody noticed"
grep -q 'configuring failed' "$tmp/err" || fail "$(cat "$tmp/err")"
mv "$tmp/good" "$top/configure"
touch "$top/configure"
does 'clean;configure --with-it;' "$b" --with-it

# ---- in place ----

(cd "$top" && ./configure --prefix=/elsewhere)
does 'config.status --recheck;config.status ;' "$top"
does '' "$top"
echo 1.48 >"$tmp/installed/nbdkit"
does 'config.status --recheck;config.status ;' "$top"
does '' "$top"
