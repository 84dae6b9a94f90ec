#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram metrics --http: the page, errors, and clients that are slow or send
# anything.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3
start_nbdkit zram zram 64M name=web
python3 "$srcdir/tests/lib/metrics-http.py" "$seed" "$nbdzram" metrics --http ||
    fail "SEED=$seed"

# As a filter, and of one server.
printf 'GET /metrics HTTP/1.0\r\n\r\n' | nbdzram metrics --http web >"$tmp/out"
tr -d '\r' <"$tmp/out" | sed '1,/^$/d' >"$tmp/page"
python3 "$srcdir/tests/lib/prometheus.py" <"$tmp/page" || fail "no page"
grep -qx 'nbdzram_up{server="web"} 1' "$tmp/page" || fail "no server"

# A server that has ended is in the page, and nowhere else.
stop_nbdkit "$pid" KILL
printf 'GET /metrics HTTP/1.0\r\n\r\n' |
    nbdzram metrics --http >"$tmp/out" 2>"$tmp/error" || fail "$?"
grep -q '^HTTP/1.1 200 OK' "$tmp/out" || fail "$(cat "$tmp/out")"
grep -qx 'nbdzram_up{server="web"} 0' "$tmp/out" || fail "$(cat "$tmp/out")"
[ ! -s "$tmp/error" ] || fail "$(cat "$tmp/error")"
