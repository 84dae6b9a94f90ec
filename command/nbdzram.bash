# SPDX-License-Identifier: GPL-2.0-or-later
# Completion for the command nbdzram.  It takes verbs, options and columns from
# --help, so it is never out of date.

# Print the names of servers, from their sockets; some may be dead.
_nbdzram_names ()
{
    local dir socket

    for dir in "${XDG_RUNTIME_DIR:-/run}" "/run/user/$UID" /run; do
        for socket in "$dir"/nbdzram/*.ctl; do
            [ ! -S "$socket" ] || basename "$socket" .ctl
        done
    done | sort -u
}

# Print the values of the option $2 of verb $3; $1 is the command.  Fails if
# the option takes no value.
_nbdzram_values ()
{
    case $2 in
        --type|-t)
            case $3 in
                recompress) echo all idle huge huge_idle stale ;;
                mount) echo ext4 xfs btrfs ;;
                *) echo all idle huge huge_idle incompressible ;;
            esac ;;
        --output|-o)
            "$1" "$3" --help |
                sed -n '/^Columns/,$s/^  [* ] \([^ ]*\) .*/\1/p' ;;
        --pid|-p)
            (cd /proc && printf '%s\n' [0-9]*) ;;
        --page-size)
            echo 4K 8K 16K 32K 64K ;;
        *)
            "$1" "$3" --help | grep -q -e " $2=" ;;
    esac
}

_nbdzram_arguments ()
{
    case $2 in
        idle) echo all; _nbdzram_names ;;
        # No names of exports: clients choose them, and compgen expands words.
        export) echo list add remove resize; _nbdzram_names ;;
        analyze) compgen -f -- "$3" ;;
        mount|umount) compgen -d -- "$3" || :; _nbdzram_names ;;
        conf) echo import; compgen -f -- "$3" || : ;;
        *) _nbdzram_names ;;
    esac
}

_nbdzram ()
{
    local command=$1 current=$2 option=$3 verb=${COMP_WORDS[1]} words

    # Readline cuts --type=idle at the equals sign.
    if [ "$current" = = ]; then
        current=
    elif [ "$option" = = ]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi

    if [ "$COMP_CWORD" = 1 ]; then
        words=$("$command" --help |
            sed -n -e '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p' \
                -e 's/^  -., \(--[a-z]*\) .*/\1/p')
    elif [[ $option = -* ]] &&
            words=$(_nbdzram_values "$command" "$option" "$verb"); then
        [ "$words" ] || words=$(compgen -f -- "$current")
    elif [[ $current = -* ]]; then
        words=$("$command" "$verb" --help |
            sed -n -E 's/^  (-., |    )(--[a-z-]+).*/\2/p')
    else
        words=$(_nbdzram_arguments "$command" "$verb" "$current")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
} 2>/dev/null

complete -F _nbdzram nbdzram
