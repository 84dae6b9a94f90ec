# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of completion in different shells share.

# A directory with two settings files.
make_conf ()
{
    export NBDZRAM_CONF_DIR=$tmp/conf
    mkdir "$NBDZRAM_CONF_DIR"
    touch "$NBDZRAM_CONF_DIR"/{one.conf,two.conf,'not one.conf',no,.conf}
}

# The keys of settings files, as the manual has them.
conf_keys ()
{
    sed -n -E 's/^=item B<([a-z-]+)> = .*/\1/p' \
        "$srcdir/man/nbdzram.conf.pod"
}

# The keys that can change, as "nbdzram set" takes them: all others have an
# error of their own, before any server is asked.
live_keys ()
{
    local key
    while read -r key; do
        nbdzram set zram9 "$key=?" >"$tmp/set" 2>&1 || :
        grep -q "can't be set\|unknown setting" "$tmp/set" || echo "$key"
    done < <(conf_keys)
}

# described: each line of standard input is a word, a tab, and its help, which
# is not empty.
described ()
{
    ! grep -v -P '^[^\t]+\t[^\t ]' || fail "not described"
}
