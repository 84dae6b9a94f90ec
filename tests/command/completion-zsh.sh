#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion in zsh offers what there is, with its help.
. "${srcdir:-.}/tests/lib/functions.sh"

requires zsh
# shellcheck source=tests/command/completion-functions.sh
. "$srcdir/tests/command/completion-functions.sh"
make_conf
mkdir "$tmp/bin" "$tmp/home" "$tmp/functions"
ln -s "$nbdzram" "$tmp/bin/nbdzram"
cp "$srcdir/command/completion.zsh" "$tmp/functions/_nbdzram"
touch "$tmp/some-file"
mkdir "$tmp/some-directory"

# A zsh with a terminal, in which TAB is pressed after a line.  What it offers
# goes to the file "offered", and what it would show to "shown".
cat >"$tmp/offers.zsh" <<'END_OF_ZSH'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "source $1/setup.zsh"
zpty -w shell "touch $1/ready"
until [[ -e $1/ready ]]; do zpty -r -t shell line || sleep 0.05; done
zpty -w -n shell "$2"$'\t'
until [[ -e $1/done ]]; do zpty -r -t shell line || sleep 0.05; done
zpty -d shell
END_OF_ZSH
cat >"$tmp/setup.zsh" <<END_OF_SETUP
PROMPT= RPROMPT= fpath=($tmp/functions \$fpath)
unsetopt beep
autoload -U compinit
compinit -u -D
compadd ()
{
    local -a words shown
    local displays=\${@[(i)-d]}

    # What _describe asks only to sort is not offered.
    if (( ! \${@[(I)-O]} && ! \${@[(I)-D]} && ! \${@[(I)-A]} )); then
        builtin compadd -O words "\$@"
        (( displays > \$# )) || shown=("\${(@P)@[displays+1]}")
        print -rl -- \$words >>$tmp/offered
        print -rl -- "\$shown[@]" >>$tmp/shown
    fi
    builtin compadd "\$@"
}
finish () { touch $tmp/done }
complete-and-finish () { zle complete-word; finish }
zle -N complete-and-finish
bindkey '^I' complete-and-finish
END_OF_SETUP

# offers LINE
offers ()
{
    rm -f "$tmp/ready" "$tmp/done" "$tmp/offered" "$tmp/shown"
    HOME=$tmp/home ZDOTDIR=$tmp/home TERM=xterm PATH=$tmp/bin:$PATH \
        timeout 120 zsh -f "$tmp/offers.zsh" "$tmp" "$1" >/dev/null ||
        fail "zsh: $1"
    [ -e "$tmp/offered" ] || fail "'$1' offers nothing"
}

# completes LINE OFFERED...
completes ()
{
    local offered wanted
    offers "$1"
    offered=$(sort -u "$tmp/offered" | xargs)
    wanted=$(printf '%s\n' "${@:2}" | sort | xargs)
    [ "$offered" = "$wanted" ] ||
        fail "'$1' offers '$offered', not '$wanted'"
}

# shows TEXT: in the list of the last completion.
shows ()
{
    grep -q -e "$1" "$tmp/shown" || fail "$1: $(cat "$tmp/shown")"
}

completes 'nbdzram sta' status
shows '^status  *-- Show what servers hold, in a table$'
mapfile -t keys < <(live_keys | sed 's/$/=/')
[ ${#keys[@]} -ge 8 ] || fail "${keys[*]}"
completes 'nbdzram set swap ' "${keys[@]}"
shows '^mem-limit=  *-- Most memory to hold (default: no limit)$'
[ "$(grep -c '^[a-z-]*=  *-- ' "$tmp/shown")" = ${#keys[@]} ] ||
    fail "without help: $(cat "$tmp/shown")"
mapfile -t keys < <(conf_keys | sed 's/$/=/')
completes 'nbdzram serve ' "${keys[@]}" one two
completes 'nbdzram swapon ' "${keys[@]}" one two
# Both names have the same help, so zsh shows it once, in a list of its own.
shows '^-- has settings  *$'
[ "$(grep -c '^-- [^ ]' "$tmp/shown")" = $((${#keys[@]} + 1)) ] ||
    fail "without help: $(cat "$tmp/shown")"
completes 'nbdzram serve policy=' policy=off policy=on
completes 'nbdzram recompress --ty' --type
completes 'nbdzram recompress --type=hu' --type=huge --type=huge_idle
completes 'nbdzram recompress --type hu' huge huge_idle
completes "nbdzram analyze $tmp/some-f" some-file
completes "nbdzram serve backing=$tmp/some-f" some-file
completes "nbdzram mount $tmp/some" some-directory

