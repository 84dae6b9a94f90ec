# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The server "zram", whose $size bytes go to NBD servers when they are cold;
# after functions.sh.  Files a and b are what is in it, by turns.

size=4194304
head -c $size /dev/urandom >"$tmp/a"
head -c $size /dev/urandom >"$tmp/b"

statistic ()
{
    nbdzram status --json zram0 | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"
}

# is STATE: of the backing file.
is ()
{
    [ "$(nbdzram status -n --raw -o BACKING zram0)" = "$1" ]
}

write_back ()
{
    nbdzram writeback --type all zram0 >"$tmp/out" 2>&1
}

goes_on ()
{
    write_back && [ "$(statistic bd_count)" = 1024 ]
}

all_away ()
{
    eventually goes_on || fail "$(cat "$tmp/out")"
}

# holds FILE: each page of the disk is as in it.
holds ()
{
    nbdcopy "$(uri zram)" "$tmp/found"
    cmp "$tmp/found" "$1" || fail "pages differ"
}
