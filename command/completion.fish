# SPDX-License-Identifier: GPL-2.0-or-later
# Completion for the command nbdzram in fish.  "nbdzram --complete" knows what
# to offer.

function __nbdzram_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l prefix (string match -r '^[^=]*=' -- $current)

    for line in ($words[1] --complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case \tfiles
                __fish_complete_path (string replace -r '^[^=]*=' '' -- $current) \
                    | string replace -r '^' "$prefix"
            case \tdirectories
                __fish_complete_directories $current ''
            case '*'
                echo $line
        end
    end
end

complete -c nbdzram -f -a '(__nbdzram_complete)'
