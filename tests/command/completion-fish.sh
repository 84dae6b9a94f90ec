#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion in fish offers what there is, with its help.
. "${srcdir:-.}/tests/lib/functions.sh"

requires fish
# shellcheck source=tests/command/completion-functions.sh
. "$srcdir/tests/command/completion-functions.sh"
make_conf
mkdir "$tmp/bin" "$tmp/home"
ln -s "$nbdzram" "$tmp/bin/nbdzram"
touch "$tmp/some-file"
mkdir "$tmp/some-directory"

# offers LINE: what fish offers for it, as it shows it.
offers ()
{
    # shellcheck disable=SC2016
    HOME=$tmp/home PATH=$tmp/bin:$PATH \
        fish --no-config -c 'source $argv[1]; complete -C $argv[2]' \
        "$srcdir/command/completion.fish" "$1"
}

# completes LINE OFFERED...
completes ()
{
    local offered wanted
    offered=$(offers "$1" | cut -f 1 | sort | xargs)
    wanted=$(printf '%s\n' "${@:2}" | sort | xargs)
    [ "$offered" = "$wanted" ] ||
        fail "'$1' offers '$offered', not '$wanted'"
}

offers 'nbdzram sta' | grep -qxP 'status\tShow what servers hold, in a table' ||
    fail "$(offers 'nbdzram sta')"
mapfile -t keys < <(live_keys | sed 's/$/=/')
[ ${#keys[@]} -ge 8 ] || fail "${keys[*]}"
completes 'nbdzram set swap ' "${keys[@]}"
offers 'nbdzram set swap ' | described
offers 'nbdzram set swap mem' |
    grep -qxP 'mem-limit=\tMost memory to hold \(default: no limit\)' ||
    fail "$(offers 'nbdzram set swap mem')"
mapfile -t keys < <(conf_keys | sed 's/$/=/')
completes 'nbdzram serve ' "${keys[@]}" one two
completes 'nbdzram swapon ' "${keys[@]}" one two
offers 'nbdzram swapon ' | described
completes 'nbdzram serve policy=' policy=off policy=on
completes 'nbdzram recompress --ty' --type
completes 'nbdzram recompress --type=hu' --type=huge --type=huge_idle
completes 'nbdzram recompress --type hu' huge huge_idle
completes "nbdzram analyze $tmp/some-f" "$tmp/some-file"
completes "nbdzram serve backing=$tmp/some-f" "backing=$tmp/some-file"
completes "nbdzram mount $tmp/some" "$tmp/some-directory/"
