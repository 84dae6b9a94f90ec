#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion in bash offers what there is, and nothing else.
. "${srcdir:-.}/tests/lib/functions.sh"

# shellcheck source=command/completion.bash
. "$srcdir/command/completion.bash"
complete -p nbdzram | grep -q -- '-F _nbdzram nbdzram'

# What bash has only while it completes.
compopt ()
{
    [ $# = 2 ] && [ "$1" = -o ] && how+=("$2")
}

# completes "WORDS" OFFERED...: what is offered for the last of the words.
completes ()
{
    local words wanted offered
    how=()
    read -r -a words <<<"$1"
    [ "${1%' '}" = "$1" ] || words+=('')
    shift
    COMP_WORDS=("${words[@]}")
    COMP_CWORD=$((${#words[@]} - 1))
    _nbdzram "$nbdzram" "${words[COMP_CWORD]}" \
        "${words[COMP_CWORD - 1]}"
    offered=$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)
    wanted=$(printf '%s\n' "$@" | sort | xargs)
    [ "$offered" = "$wanted" ] ||
        fail "'${words[*]}' offers '$offered', not '$wanted'"
}

mapfile -t verbs < <(nbdzram --help |
    sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
completes 'nbdzram ' "${verbs[@]}" --help --version
completes 'nbdzram sta' status
completes 'nbdzram re' recompress reset
completes 'nbdzram --v' --version
completes 'nbdzram x' ''

start_nbdkit a zram 1M
first=$pid
start_nbdkit b zram 1M name=swap
[ -e /run/nbdzram ] || [ -e "/run/user/$UID/nbdzram" ] || {
    completes 'nbdzram status ' swap zram0
    completes 'nbdzram idle all ' swap zram0
    completes 'nbdzram compact zram' zram0
}
completes 'nbdzram status sw' swap
completes 'nbdzram idle ' all
completes 'nbdzram export re' remove resize
completes 'nbdzram export list sw' swap
completes 'nbdzram export remove sw' ''
completes 'nbdzram export list -o B' BANDWIDTH
completes 'nbdzram status --no' --noheadings
completes 'nbdzram status --output' --output --output-all
completes 'nbdzram status --output R' RATIO RECONNECTS
completes 'nbdzram status -o MEM' MEM-LIMIT MEM-USED
completes 'nbdzram status --bytes sw' swap
completes 'nbdzram recompress --type ' all huge huge_idle idle stale
completes 'nbdzram writeback --type ' all huge huge_idle idle incompressible
completes 'nbdzram recompress --type = hu' huge huge_idle
completes 'nbdzram analyze --page-size = 6' 64K
completes "nbdzram analyze --pid $$" "$$"
touch "$tmp/some-file"
completes "nbdzram analyze $tmp/some" "$tmp/some-file"
[ "${how[*]}" = filenames ] || fail "${how[*]}"
completes 'nbdzram conf im' import
[ "${how[*]}" = '' ] || fail "${how[*]}"
completes "nbdzram conf import $tmp/some" "$tmp/some-file"
completes "nbdzram compact --control $tmp/some" "$tmp/some-file"
completes "nbdzram compact --control = $tmp/some" "$tmp/some-file"

# Settings: those that are live, or all that a file can have.  A key is new:
# it is here without a change of anything else.
# shellcheck source=tests/command/completion-functions.sh
. "$srcdir/tests/command/completion-functions.sh"
conf_keys | grep -qx areas
make_conf
completes 'nbdzram set sw' swap
mapfile -t keys < <(live_keys | sed 's/$/=/')
[ ${#keys[@]} -ge 8 ] || fail "${keys[*]}"
completes 'nbdzram set swap ' "${keys[@]}"
mapfile -t keys < <(conf_keys | sed 's/$/=/')
[ ${#keys[@]} -ge 40 ] || fail "${keys[*]}"
completes 'nbdzram swapon ' "${keys[@]}" one two
completes 'nbdzram serve ' "${keys[@]}" one two
completes 'nbdzram serve one ' "${keys[@]}"
completes 'nbdzram serve size = 1G ' "${keys[@]}" one two
completes 'nbdzram serve me' mem-limit=
[ "${how[*]}" = nospace ] || fail "${how[*]}"
completes 'nbdzram set swap policy =' on off
completes 'nbdzram set swap policy = o' on off
completes 'nbdzram serve dedup = d' device
completes 'nbdzram serve algorithm = zs' zstd
completes "nbdzram serve backing = $tmp/some" "$tmp/some-file"
completes 'nbdzram mount --type = x' xfs
completes 'nbdzram swapon -p 5 o' one
completes 'nbdzram swapon --priority 5 o' one
completes 'nbdzram serve -- o' one
completes 'nbdzram x ' ''

# Each option of each verb.
for verb in "${verbs[@]}"; do
    mapfile -t options < <(nbdzram "$verb" --help |
        sed -n -E 's/^  (-., |    )(--[a-z-]+).*/\2/p')
    [ ${#options[@]} -ge 2 ] || fail "$verb"
    completes "nbdzram $verb --" "${options[@]}"
done
stop_nbdkit "$first"
stop_nbdkit "$pid"
