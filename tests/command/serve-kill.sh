#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Servers, standbys and lock keepers are killed under load: clients reconnect,
# read all that was acknowledged, and are never refused.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

rounds=${quick:+5}
rounds=${rounds:-20}

# kill_servers ARGS...: kill the servers of "serve ARGS".
kill_servers ()
{
    local i uri

    echo "kill: $* (SEED=$seed)"
    serve k --size=32M "$@"
    uri=$(sup k '.listen[0]')
    start_client -c 3 -p 4096 "$uri"
    for ((i = 0; i < rounds; i++)); do
        pause 600
        client_lives
        # There may be no server at this moment.
        kill -9 "$(server_pid k || :)" 2>/dev/null || :
    done
    eventually is_ready k || fail "SEED=$seed: no server any more"
    # Not every kill hit a server.
    end_client $((rounds / 2))
    stop k
}

kill_servers
kill_servers --standby --listen=localhost:0
kill_servers --standby mem-limit=64M algorithm=zstd

# Kill any process, not only servers.
echo "kill: any (SEED=$seed)"
serve k --size=32M --standby
start_client -c 3 -p 4096 "$(socket_uri k)"
for ((i = 0; i < rounds; i++)); do
    pause 400
    client_lives
    random 4
    victims=()
    case $chance in
        0) victims=("$(server_pid k || :)") ;;
        1) victims=("$(standby_pid k || :)") ;;
        2) victims=("$(lock_keeper_pid k || :)") ;;
        3) victims=("$(server_pid k || :)" "$(standby_pid k || :)") ;;
    esac
    # There may be none at this moment.
    for victim in "${victims[@]}"; do
        [ ! "$victim" ] || kill -9 "$victim" 2>/dev/null || :
    done
done
eventually is_whole k || fail "SEED=$seed: no server or standby any more"
end_client 0
stop k

# While servers can't start, no page is lost, and starts are tried again.
cp "$nbdzramd" "$tmp/nbdzramd"
NBDZRAMD=$tmp/nbdzramd serve k --size=32M
io "$(socket_uri k)" 'write -P 5 0 1M'
printf '#!/bin/sh\nexit 1\n' >"$tmp/new"
chmod +x "$tmp/new"
mv "$tmp/new" "$tmp/nbdzramd"
kill -9 "$(server_pid k)"
eventually grep -q 'a server that was starting ended with status 1' \
           "$tmp/k.log" || fail "the error is not logged"
[ "$(sup k .state)" = starting ]
cp "$nbdzramd" "$tmp/new"
mv "$tmp/new" "$tmp/nbdzramd"
eventually is_ready k || fail "it does not try again"
io "$(socket_uri k)" 'read -P 5 0 1M'
stop k

# A supervisor without free descriptors tries again, and replies later.
serve k --size=32M
io "$(socket_uri k)" 'write -P 5 0 1M'
server=$(server_pid k)
prlimit --pid "$pid" --nofile=1:
kill -9 "$server"
eventually grep -q 'starting .*nbdzramd: Too many open files' "$tmp/k.log" ||
    fail "the error is not logged"
supervisor_pid k >"$tmp/asked" &
asker=$!
sleep 1
prlimit --pid "$pid" --nofile=1024:
wait "$asker" || fail "it does not answer"
[ "$(cat "$tmp/asked")" = "$pid" ]
eventually is_ready k || fail "it does not try again"
io "$(socket_uri k)" 'read -P 5 0 1M'
stop k
