# SPDX-License-Identifier: GPL-2.0-or-later
# Completion for the command nbdzram in bash.  "nbdzram --complete" knows what
# to offer.

_nbdzram ()
{
    local current=${COMP_WORDS[COMP_CWORD]} words=() i line word whole prefix

    # Readline cuts words at = and :, which become words themselves.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [ ${#words[@]} -gt 0 ] && [ "$word" ] &&
               [[ $word = [=:]* || ${COMP_WORDS[i - 1]} = *[=:] ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    [[ $current != [=:]* ]] || current=
    whole=${words[-1]}
    prefix=${whole%"$current"}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            $'\tfiles')
                compopt -o filenames
                mapfile -t -O ${#COMPREPLY[@]} COMPREPLY \
                    < <(compgen -f -- "$current") ;;
            $'\tdirectories')
                compopt -o filenames
                mapfile -t -O ${#COMPREPLY[@]} COMPREPLY \
                    < <(compgen -d -- "$current") ;;
            "$whole"*)
                word=${line%%$'\t'*}
                [[ $word != *= ]] || compopt -o nospace
                COMPREPLY+=("${word#"$prefix"}") ;;
        esac
    done < <("$1" --complete "${words[@]}")
} 2>/dev/null

complete -F _nbdzram nbdzram
