#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzramd knows the options that --help lists, and the manual describes
# them.  Its parameters are the plugin's.
. "${srcdir:-.}/tests/lib/functions.sh"

"$nbdzramd" --version | grep -q '^nbdzramd [0-9]'
"$nbdzramd" --help >"$tmp/help"
"$nbdzramd" -h | cmp - "$tmp/help"

# "-e --exportname=" and "--vsock", one a line.
sed -n -E '/^Options:/,/^$/s/^  (-.)?(, )?(--[a-z-]+=?).*/\1 \3/p' \
    "$tmp/help" | sed 's/^ //' | sort >"$tmp/options"
[ "$(wc -l <"$tmp/options")" -ge 20 ] || fail "$(cat "$tmp/help")"

# Each is known: a missing value is the only complaint.
sed -n 's/.*\(--[a-z-]*\)=$/\1/p' "$tmp/options" >"$tmp/with-value"
while read -r option; do
    ! "$nbdzramd" 1M "$option" 2>"$tmp/out" &&
        grep -q 'requires an argument' "$tmp/out" ||
        fail "--help lists $option: $(cat "$tmp/out")"
done <"$tmp/with-value"
! "$nbdzramd" --nonsense 1M 2>"$tmp/out" || fail "--nonsense is known"

nbdkit_zram zram --help | sed -n '/size=/,$p' | sed '/^$/q' | grep '=<' \
    >"$tmp/parameters"
[ "$(wc -l <"$tmp/parameters")" -ge 20 ] || fail "the plugin's --help"
while read -r line; do
    grep -qF -- "$line" "$tmp/help" || fail "--help lacks $line"
done <"$tmp/parameters"

pod=$srcdir/man/nbdzramd.pod
[ -e "$pod" ] || skip "the manual is not there"
sed -n '/^=head1 OPTIONS/,/^=head1 PARAMETERS/p' "$pod" |
    sed -n -E 's/^=item (B<(-.)>[^B]*)?B<(--[a-z-]+=?)>.*/\2 \3/p' |
    sed 's/^ //' | sort >"$tmp/items"
diff "$tmp/options" "$tmp/items" ||
    fail "options of --help (<) and the manual (>) differ"
