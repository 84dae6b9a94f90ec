#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Servers, standbys and holders are killed under load: clients, which
# reconnect, find all that was acknowledged, and are never refused.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

rounds=${quick:+5}
rounds=${rounds:-20}

# kill_servers ARGS...: of serve.
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
        # It may be between two servers.
        kill -9 "$(server_pid k || :)" 2>/dev/null || :
    done
    eventually is_ready k || fail "SEED=$seed: no server any more"
    # Not every kill met a server.
    end_client $((rounds / 2))
    stop k
}

kill_servers
kill_servers --standby --listen=localhost:0
kill_servers --standby mem-limit=64M algorithm=zstd

# Not only servers.
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
        2) victims=("$(holder_pid k || :)") ;;
        3) victims=("$(server_pid k || :)" "$(standby_pid k || :)") ;;
    esac
    # It may be between two.
    for victim in "${victims[@]}"; do
        [ ! "$victim" ] || kill -9 "$victim" 2>/dev/null || :
    done
done
eventually is_whole k || fail "SEED=$seed: no server or standby any more"
end_client 0
stop k

# A server that can't start any more, with its pages kept, until it can.
cp "$plugin" "$tmp/plugin.so"
NBDZRAM_PLUGIN=$tmp/plugin.so serve k --size=32M
io "$(socket_uri k)" 'write -P 5 0 1M'
echo broken >"$tmp/new.so"
mv "$tmp/new.so" "$tmp/plugin.so"
kill -9 "$(server_pid k)"
eventually grep -q 'a server that was starting ended with status 1' \
           "$tmp/k.log" || fail "it does not say so"
[ "$(sup k .state)" = starting ]
cp "$plugin" "$tmp/new.so"
mv "$tmp/new.so" "$tmp/plugin.so"
eventually is_ready k || fail "it does not try again"
io "$(socket_uri k)" 'read -P 5 0 1M'
stop k

# A supervisor that has no descriptors goes on trying, and answers later.
serve k --size=32M
io "$(socket_uri k)" 'write -P 5 0 1M'
server=$(server_pid k)
prlimit --pid "$pid" --nofile=1:
kill -9 "$server"
eventually grep -q 'starting .*nbdkit: Too many open files' "$tmp/k.log" || fail "it does not say so"
supervisor_pid k >"$tmp/asked" &
asker=$!
sleep 1
prlimit --pid "$pid" --nofile=1024:
wait "$asker" || fail "it does not answer"
[ "$(cat "$tmp/asked")" = "$pid" ]
eventually is_ready k || fail "it does not try again"
io "$(socket_uri k)" 'read -P 5 0 1M'
stop k
