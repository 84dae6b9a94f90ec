#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine that hangs prints the stacks of its tasks before it is ended.
. "${srcdir:-.}/tests/vm/host.sh"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
code=0
bash "$srcdir/tests/vm/run-vm" "$image" hang 20 256M >"$out" 2>&1 || code=$?
cat "$out"
grep -q '## .* it hangs' "$out" || {
    echo "SKIP: the machine took too long to start"
    exit 77
}
[ $code = 1 ] || { echo "FAIL: run-vm ended with $code"; exit 1; }
for pattern in 'hang: the machine hung' 'task:sleep .*' \
        'hrtimer_nanosleep' 'Mem-Info:'; do
    grep -q "$pattern" "$out" || { echo "FAIL: no $pattern"; exit 1; }
done
exit 0
#### guest ####
say "it hangs"
sleep 10000
