#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The verbs of the command, what --help says of them, and the manual pages
# agree.
. "${srcdir:-.}/tests/lib/functions.sh"

requires socat pod2man
man=$srcdir/man

nbdzram --help >"$tmp/help"
nbdzram --version | grep -q '^nbdzram [0-9]'
sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p' "$tmp/help" >"$tmp/verbs"
[ "$(wc -l <"$tmp/verbs")" -ge 2 ] || fail "$(cat "$tmp/help")"

[ -e "$man/nbdzram.pod" ] || skip "the manual is not there"

# Each verb: in the overview, and a page of its own with its options and
# columns, no more and no less.
sed -n 's/^=item L<nbdzram-\([a-z-]*\)(8)>/\1/p' "$man/nbdzram.pod" |
    sort >"$tmp/overview"
sort "$tmp/verbs" | diff - "$tmp/overview" ||
    fail "--help (<) and the manual (>) have different verbs"
while read -r verb; do
    nbdzram "$verb" --help >"$tmp/help"
    nbdzram "$verb" -h | cmp - "$tmp/help"
    head -n 1 "$tmp/help" | grep -q "^usage: nbdzram $verb "
    awk 'length > 79 { exit 1 }' "$tmp/help" || fail "$verb --help is wide"
    pod=$man/nbdzram-$verb.pod

    sed -n -E '/^Options:/,/^$/s/^  (-., |    )(--[a-z-]+).*/\1\2/p' \
        "$tmp/help" | tr -d ' ,' | sort >"$tmp/options"
    grep -q -- '-h--help' "$tmp/options"
    sed -n -E 's/^=item (B<(-[A-Za-z])>( [A-Z,.]+)?, )?B<(--[a-z-]+)=?>.*/\2\4/p' \
        "$pod" | sort >"$tmp/items"
    diff "$tmp/options" "$tmp/items" ||
        fail "$verb: options of --help (<) and the manual (>)"

    sed -n -E '/^Columns/,/^$/s/^  . ([A-Z%-]+) .*/\1/p' "$tmp/help" |
        sort >"$tmp/columns"
    sed -n '/^=head1 COLUMNS/,/^=head1 [^C]/s/^=item //p' "$pod" |
        tr -s ', ' '\n' | sort >"$tmp/items"
    diff "$tmp/columns" "$tmp/items" ||
        fail "$verb: columns of --help (<) and the manual (>)"
    ! pod2man --errors=die "$pod" 2>&1 >/dev/null | grep . || fail "$pod"
done <"$tmp/verbs"

# What is described is known.
sed -n 's/^=head2 //p' "$man/nbdzram-control.pod" | sort >"$tmp/documented"
start_nbdkit zram zram 1M
while read -r verb; do
    ask zram0 "{\"verb\": \"$verb\", \"nonsense\": 1}" |
        grep -q "$verb has no key" || fail "the server does not know $verb"
done <"$tmp/documented"
stop_nbdkit "$pid"

# ---- a full disk ----

if [ -w /dev/full ]; then
    start_nbdkit zram zram 1M
    for args in --help --version 'status --help' status 'status --json' \
            metrics 'pages --json' 'top -b -n 3' compact 'set policy=on' \
            'export list' 'analyze --time=1 /bin/sh' 'check zram0'; do
        code=0
        nbdzram $args 2>"$tmp/out" >/dev/full || code=$?
        [ $code = 1 ] && [ "$(cat "$tmp/out")" = \
            'nbdzram: writing the output: No space left on device' ] ||
            fail "$args to a full disk: $code: $(cat "$tmp/out")"
    done
    stop_nbdkit "$pid"
fi

# ---- usage errors ----

code=0
nbdzram >"$tmp/long" 2>"$tmp/out" || code=$?
[ $code = 2 ] && [ ! -s "$tmp/long" ] || fail "without a verb: $code"
grep -q '^usage: nbdzram VERB ' "$tmp/out" || fail "$(cat "$tmp/out")"
sed -n 's/^  nbdzram \([a-z]*\) .*/\1/p' "$tmp/out" >"$tmp/short"
[ "$(wc -l <"$tmp/short")" -ge 4 ] || fail "$(cat "$tmp/out")"
! grep -vxFf "$tmp/verbs" "$tmp/short" || fail "no verbs, in the short help"
exits 2 'unknown verb explode; try: nbdzram --help' explode
exits 2 'unknown verb statsu; did you mean status?' statsu
exits 2 'unknown verb sawpon; did you mean swapon?' sawpon
exits 2 'unknown verb s; try: ' s
exits 2 "unknown verb $(printf '%080d' 0); try: " "$(printf '%080d' 0)"
exits 2 'unknown verb --frob' --frob
exits 2 'unknown option --frob' status --frob
exits 2 'unknown option -z' status -z
exits 2 'unknown option -z' status -zn
exits 2 'takes no value' status --json=3
exits 2 'help takes no value' status --help=3
exits 2 'needs a value' status --output
exits 2 'unknown column X' status -o NAME,X
exits 2 'one argument too many' status a b
exits 2 'prints no table' status --json --raw
exits 2 'both say which' compact a --control b
exits 2 "can't be the name" compact a/b
# Zero is a number, and not as if nothing had been said.
for zero in recompress:threshold recompress:max-pages recompress:priority \
        top:iterations analyze:sample analyze:time; do
    exits 2 "${zero#*:}=0: must be from 1 to" "${zero%:*}" "--${zero#*:}=0"
done
for n in 9223372036854775808 18446744073709551616 -1 +1 0x1 1K 1.5; do
    exits 2 "max-pages=$n: " recompress "--max-pages=$n"
done
exits 3 'no server is running' status
exits 3 'no server is running' compact
exits 3 'zram7: there is no such server' status zram7
exits 3 'there is no such server' status --control "$tmp/none"
exits 3 'none: there is no such server' compact --control "$tmp/none"

# Keywords do not depend on the language, as tolower does.
! grep -rnE --include="*.[ch]" '\b(strn?casecmp|tolower|toupper) ' \
  "$srcdir"/{lib,service,plugin,command} || fail "see command/base/ascii.h"
if localedef -i tr_TR -f UTF-8 "$tmp/tr_TR.UTF-8" 2>"$tmp/out"; then
    start_nbdkit zram zram 1M
    LOCPATH=$tmp LC_ALL=tr_TR.UTF-8 \
        nbdzram status -o algorithm,disksize,Mem-Limit >"$tmp/out"
    grep -q 'ALGORITHM *DISKSIZE *MEM-LIMIT' "$tmp/out" ||
        fail "$(cat "$tmp/out")"
    stop_nbdkit "$pid"
fi

# Somebody else's socket.
socat "UNIX-LISTEN:$tmp/hello.ctl,fork" "SYSTEM:read line; echo hello" &
servers+=("$!")
eventually [ -S "$tmp/hello.ctl" ]
exits 3 'this is no server of nbdzram' status --control "$tmp/hello.ctl"
