#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Servers and supervisors are upgraded under load, and clients only have to
# reconnect; a program that can't start replaces nothing.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

rounds=${quick:+3}
rounds=${rounds:-10}

# upgrade_all ARGS...: upgrade "serve ARGS" several times.
upgrade_all ()
{
    local i old

    echo "upgrade: $* (SEED=$seed)"
    serve u --size=32M "$@"
    start_client -c 3 -p 4096 "$(socket_uri u)"
    for ((i = 0; i < rounds; i++)); do
        pause 500
        client_lives
        old=$(server_pid u)
        nbdzram upgrade u || fail "SEED=$seed: $(cat "$tmp/u.log")"
        eventually is_gone "$old" || fail "the old server lives"
        [ "$(supervisor_pid u)" = "$pid" ] || fail "another supervisor"
    done
    end_client "$rounds"
}

upgrade_all
stop u
upgrade_all --standby

# The supervisor executed itself each time, and kept its state.
[ "$(restarts u)" -ge "$rounds" ]
eventually is_whole u
kill -9 "$(server_pid u)"
eventually is_whole u

# SIGHUP upgrades, too.
old=$(server_pid u)
kill -HUP "$pid"
eventually is_gone "$old" || fail "SIGHUP is no upgrade"
eventually is_whole u

# ---- servers that don't start ----

cp "$nbdzramd" "$tmp/nbdzramd"
stop u
export NBDZRAMD=$tmp/nbdzramd
serve u --size=32M --standby
eventually is_whole u
io "$(socket_uri u)" 'write -P 9 0 1M'
old=$(server_pid u)

printf '#!/bin/sh\nexit 1\n' >"$tmp/new"
chmod +x "$tmp/new"
mv "$tmp/new" "$tmp/nbdzramd"
exits 1 'u: the new server does not start' upgrade u
[ "$(server_pid u)" = "$old" ] || fail "the old server is gone"
kill -0 "$old"
has_standby u || fail "its standby is gone"

# A server that accepts its parameters and fails when it has locked the pool:
# the standby of the old program goes on.
cp "$nbdzramd" "$tmp/new"
mv "$tmp/new" "$tmp/nbdzramd"
echo 'page-size = 8K' >"$NBDZRAM_CONF_DIR/u.conf"
exits 1 'u: the new server does not start: .*page-size' upgrade u
eventually is_ready u || fail "no server any more"
io "$(socket_uri u)" 'read -P 9 0 1M'
eventually is_whole u

# Its message may be cut in the middle of a character.
echo "export = a:size=1M:quota=x$(printf '\303\274%.0s' {1..40})" \
    >"$NBDZRAM_CONF_DIR/u.conf"
exits 1 'u: the new server does not start: .*quota: ' upgrade u
eventually is_whole u

# A mistake in NAME.conf changes nothing.
echo 'sise = 1G' >"$NBDZRAM_CONF_DIR/u.conf"
exits 1 "unknown key 'sise'" upgrade u

# Changed settings take effect.
echo 'algorithm = zstd' >"$NBDZRAM_CONF_DIR/u.conf"
nbdzram upgrade u --json | grep -q '"pause_ms"'
eventually is_whole u
nbdzram status u --raw -n -o NAME,ALGORITHM | grep -q '^u zstd'
io "$(socket_uri u)" 'read -P 9 0 1M'
stop u

# ---- a supervisor that can't be executed: nothing is replaced ----

# same_server: the server and its standby are as before.
same_server ()
{
    [ "$(server_pid u)" = "$old" ] || fail "the server was replaced"
    has_standby u || fail "its standby is gone"
}
export NBDZRAM_HOLD=$tmp/hold
mkdir "$NBDZRAM_HOLD"
cp "$nbdzram" "$tmp/nbdzram"
LD_PRELOAD=$bin/hold-write.so "$tmp/nbdzram" serve u --size=32M \
    --standby >>"$tmp/u.log" 2>&1 &
pid=$!
servers+=("$pid")
eventually is_whole u
old=$(server_pid u)

touch "$NBDZRAM_HOLD/memfd_create"
exits 1 "u: room for the supervisor's state: Too many open files" upgrade u
rm "$NBDZRAM_HOLD/memfd_create"
same_server

install ()
{
    cat >"$tmp/new"
    chmod +x "$tmp/new"
    mv "$tmp/new" "$tmp/nbdzram"
}
echo nonsense | install
exits 1 "u: .*/nbdzram: Exec format error" upgrade u
same_server
printf '#!/bin/sh\nexit 3\n' | install
exits 1 "u: the new nbdzram can't be executed: ended with status 3" upgrade u
same_server

# A new program that hangs is killed; meanwhile the supervisor does its work.
printf '#!/bin/sh\ntouch %s; exec sleep 1000\n' "$tmp/hangs" | install
nbdzram upgrade u >"$tmp/upgrade.log" 2>&1 &
upgrade=$!
eventually test -e "$tmp/hangs"
kill -9 "$old"
eventually is_whole u || fail "the server is not replaced meanwhile"
! wait "$upgrade" || fail "it is no failure"
grep -q "the new nbdzram can't be executed: it does not end" \
     "$tmp/upgrade.log" || fail "$(cat "$tmp/upgrade.log")"

install <"$nbdzram"
nbdzram upgrade u
eventually is_whole u
stop u

# The supervisor waits for a lock keeper that takes its time.
serve u --size=32M --swap
eventually is_whole u
if lock_keeper=$(lock_keeper_pid u); then
    stand "$lock_keeper"
    nbdzram upgrade u
    kill -0 "$lock_keeper"
    kill -CONT "$lock_keeper"
    eventually is_gone "$lock_keeper" || fail "the lock keeper was not told to end"
    eventually none_gone u || fail "$(cat "$run/u.run")"
    eventually is_whole u
    eventually is_asleep "$pid" || fail "the supervisor never sleeps"
else
    echo "no lock keeper here"
fi
stop u

# No descriptor of an old server is kept.
serve u --size=16M --standby
upgraded ()
{
    eventually is_whole u
    nbdzram upgrade u >/dev/null
    eventually is_whole u
}
descriptors () { ls "/proc/$pid/fd" | wc -l; }
as_before () { [ "$(descriptors)" = "$before" ]; }
upgraded
before=$(descriptors)
upgraded
upgraded
eventually as_before || fail "$before descriptors have become $(descriptors)"
stop u
