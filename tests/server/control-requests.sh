#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the control socket is asked: a reply to each line, one clear error
# to each line that can't be done.
. "${srcdir:-.}/tests/lib/functions.sh"

requires socat python3
start_nbdkit zram zram 64M mem-limit=32M

# says PATTERN REQUEST: exactly one line, valid JSON, that matches.
says ()
{
    local reply
    reply=$(ask zram0 "$2")
    [ "$(wc -l <<<"$reply")" = 1 ] &&
        python3 -c 'import json, sys; json.load (sys.stdin)' <<<"$reply" &&
        grep -q -e "$1" <<<"$reply" ||
        fail "to '$2' the server says '$reply', not '$1'"
}
says_error () { says "^{\"ok\": false, \"error\": \"[^\"\\\\]*$1" "$2"; }

says '"ok": true.*"mem_limit": 33554432' '{"verb": "status"}'
says '"ok": true' $'  {"verb":\t"status"} \r'
says '"freed_bytes": ' '{"verb": "compact"}'

says_error 'not JSON' 'status'
says_error 'not JSON' '{"verb": "status"'
says_error 'not JSON' '{"verb": "status"} x'
says_error 'not JSON' '{"verb": "status", "verb": "compact"}'
says_error 'not JSON.*too big' '{"verb": 99999999999999999999999999}'
says_error 'not JSON' $'{"verb": "\xff\xfe"}'
says_error 'not JSON' "$(printf '[%.0s' {1..5000})"
says_error 'is an object' '["status"]'
says_error 'is an object' 'null'
says_error 'is an object' '1e308'
says_error 'needs ' '{}'
says_error 'needs ' '{"verb": 1}'
says_error 'needs ' '{"verb": {"verb": "status"}}'
says 'unknown verb .*explode' '{"verb": "explode"}'
says 'unknown verb .*"$\|unknown verb' '{"verb": "STATUS"}'
says 'has no key .*bytes' '{"verb": "status", "bytes": true}'
says 'has no key .*a?b' '{"verb": "status", "a\nb": 1}'

# A reply each, in order; blank lines are none.
ask zram0 '{"verb": "status"}' '' x '{"verb": "compact"}' ' ' y >"$tmp/replies"
[ "$(cut -c 1-12 "$tmp/replies" | tr '\n' ' ')" = \
  '{"ok": true, {"ok": false {"ok": true, {"ok": false ' ] ||
    fail "$(cat "$tmp/replies")"

# The longest line, and one byte more; then the connection goes on.
line ()
{
    printf '{"verb": "status"%*s}\n' $(($1 - 19)) ''
}
for extra in 0 1 65536 1000000; do
    { line $((65536 + extra)); echo '{"verb": "status"}'; } |
        socat -t 60 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/nbdzram/zram0.ctl" \
            >"$tmp/replies"
    [ "$(grep -c '"ok": true' "$tmp/replies")" = $((extra ? 1 : 2)) ] &&
        [ "$(grep -c 'at most 65536 bytes' "$tmp/replies")" = \
          $((extra ? 1 : 0)) ] || fail "$extra: $(cat "$tmp/replies")"
done

# The last line has no end: it is not done.
printf '{"verb": "status"}' |
    socat -t 60 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/nbdzram/zram0.ctl" |
    grep -q 'ends with a newline'

# NUL bytes end nothing.
printf '{"verb": "status"}\0\n{"verb": "status"}\n' |
    socat -t 60 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/nbdzram/zram0.ctl" \
        >"$tmp/replies"
[ "$(cut -c 1-12 "$tmp/replies" | tr '\n' ' ')" = '{"ok": false {"ok": true, ' ] ||
    fail "$(cat "$tmp/replies")"
stop_nbdkit "$pid"
