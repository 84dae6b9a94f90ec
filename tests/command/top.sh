#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram top prints plain lines, and restores the terminal.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 qemu-io

start_nbdkit zram zram 64M
server=$pid

# ---- plain lines ----

nbdzram top --iterations 3 --delay 0.1 >"$tmp/lines"
[ "$(wc -l <"$tmp/lines")" = 4 ] || fail "$(cat "$tmp/lines")"
head -n 1 "$tmp/lines" | grep -q 'DATA.*MEMORY.*READS/s.*WRITES/s'
awk 'NR > 1 && NF != 8 { exit 1 }' "$tmp/lines" || fail "$(cat "$tmp/lines")"

# Data that is written meanwhile shows, as a size and as a rate.
head -c 1M /dev/urandom >"$tmp/random"
"$nbdzram" top --delay 0.2 >"$tmp/live-lines" &
top=$!
servers+=("$top")
eventually grep -q ' 0.00 ' "$tmp/live-lines"
io "$(uri zram)" "write -s $tmp/random 0 1M"
eventually grep -q '^  *1M ' "$tmp/live-lines" || fail "$(cat "$tmp/live-lines")"
awk 'NR > 1 && $6 > 0 && $7 != "0B" { n++ } END { exit n != 1 }' \
    "$tmp/live-lines" || fail "$(cat "$tmp/live-lines")"
kill -TERM "$top"
wait "$top" && fail "SIGTERM" || [ $? = 143 ] || fail "ended by $?"

# The same for the only export, which has no name.
nbdzram top --batch --exports --iterations 2 --delay 0.1 >"$tmp/exports"
awk 'NR % 3 == 1 && $1 == "HELD" && $NF == "EXPORT" { n++ }
     NR % 3 == 2 && NF == 9 && $8 == "-" && $NF == "-" { n++ }
     END { exit !(NR == 5 && n == 4) }' "$tmp/exports" ||
    fail "$(cat "$tmp/exports")"

# ---- a terminal ----

if infocmp xterm >/dev/null 2>&1; then
    python3 "$srcdir/tests/lib/terminal.py" \
        "$nbdzram" top --delay 0.2 zram0
else
    echo "the terminal xterm is not known here"
fi

# ---- the server ends, or does not exist ----

"$nbdzram" top --delay 0.1 >"$tmp/more-lines" 2>"$tmp/error" &
top=$!
servers+=("$top")
eventually grep -q '^  *1M ' "$tmp/more-lines"
stop_nbdkit "$server"
code=0
wait "$top" || code=$?
[ $code = 3 ] && grep -q '^nbdzram: zram0: ' "$tmp/error" ||
    fail "$code: $(cat "$tmp/error")"

exits 3 'no server is running' top
exits 3 'no such server' top zram0
for delay in 0 -1 x nan 1e9 1x ''; do
    exits 2 'from 0.1 to 3600' top --delay="$delay"
done
exits 2 'not a whole number' top --iterations=x
