#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A folder includes only folders before it in one of these lists; the store's
# codecs and its allocator don't know each other, nor do the front ends.

. "${srcdir:-.}/tests/lib/functions.sh"

# The program calls the store for "analyze" alone: the last list.
lists='lib/base lib/pool-file lib/codec lib/backing lib/store lib/maintenance service plugin
       lib/base lib/store service server
       lib/base lib/pool-file lib/alloc lib/store
       lib/base service command/base command/conf command/attach command/supervisor command/swap command/metrics command/verbs command
       lib/base lib/codec service command/base command/conf command/import command/verbs
       lib/base lib/codec lib/alloc lib/store command/verbs'

allowed=$(while read -r -a folders; do
    for i in "${!folders[@]}"; do
        printf "${folders[i]} %s\n" "${folders[@]:0:i}"
    done
done <<<"$lists" | sort -u)

upwards=$(cd "$srcdir" && grep -o '^#include ".*/' -r lib service plugin server command --include='*.[ch]' |
    sed 's|/[^/]*:#include "| |; s|/$||' | sort -u | comm -23 - <(echo "$allowed"))
[ ! "$upwards" ] || fail "these folders include what they must not know:
$upwards"
