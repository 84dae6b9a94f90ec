#compdef nbdzram
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion for the command nbdzram in zsh.  "nbdzram --complete" knows what
# to offer.

local line paths=''
local -a whole open

for line in "${(@f)$(${(Q)words[1]} --complete "${(@Q)words[2,CURRENT-1]}" \
                     "${(Q)PREFIX}" 2>/dev/null)}"; do
    case $line in
        $'\t'*) paths=${line#$'\t'} ;;
        *=$'\t'*) open+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        *$'\t'*) whole+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
    esac
done
_describe -t arguments argument whole -- open -S ''
if [[ -n $paths ]]; then
    compset -P '*='
    case $paths in
        files) _files ;;
        directories) _directories ;;
    esac
fi
