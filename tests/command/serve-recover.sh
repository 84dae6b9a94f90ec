#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A supervisor is killed: servers don't notice, and the next supervisor
# recovers them.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

requires_descriptors

rounds=${quick:+3}
rounds=${rounds:-10}

# Supervisors and servers are killed at any time.
echo "recover (SEED=$seed)"
serve a --size=32M --standby
start_client -c 3 -p 4096 "$(socket_uri a)"
for ((i = 0; i < rounds; i++)); do
    pause 400
    client_lives
    # If the server dies without a supervisor, its standby takes over.  One of
    # them must live: no other process has the pages.
    random 3
    victims=("$pid")
    if [ "$chance" = 0 ]; then
        eventually is_whole a || fail "SEED=$seed: no standby any more"
        victims+=("$(server_pid a)")
    else
        eventually is_ready a || fail "SEED=$seed: no server any more"
    fi
    kill -9 "${victims[@]}" 2>/dev/null || :
    pause 200
    serve a --size=32M --standby
    random 2
    if [ "$chance" = 0 ] && victim=$(server_pid a); then
        kill -9 "$victim" 2>/dev/null || :
        eventually is_gone "$victim"
    fi
done
eventually is_whole a || fail "SEED=$seed: no server or standby any more"
end_client 0
grep -q 'recovered from' "$tmp/a.log"

# Changed settings take effect with an upgrade.
echo 'algorithm = zstd' >"$NBDZRAM_CONF_DIR/a.conf"
kill -9 "$pid"
serve a --size=32M --standby
grep -q 'settings have changed' "$tmp/a.log"
kill_server a
nbdzram status a --raw -n -o NAME,ALGORITHM | grep -q '^a lz4'
nbdzram upgrade a
nbdzram status a --raw -n -o NAME,ALGORITHM | grep -q '^a zstd'
stop a

# With a mistake in NAME.conf the servers that live are still recovered.
serve a --size=32M --standby
io "$(socket_uri a)" 'write -P 8 0 1M'
kill -9 "$pid"
eventually is_gone "$pid"
cp "$NBDZRAM_CONF_DIR/a.conf" "$tmp/a.conf"
echo 'sise = 1G' >"$NBDZRAM_CONF_DIR/a.conf"
serve a --size=32M --standby
grep -q "unknown key 'sise': the servers go on with their old settings" \
     "$tmp/a.log"
eventually is_whole a
kill_server a
io "$(socket_uri a)" 'read -P 8 0 1M'
kill -9 "$pid" "$(standby_pid a)" "$(server_pid a)"
eventually no_processes
code=0
nbdzram serve a --size=32M --standby >"$tmp/out" 2>&1 || code=$?
[ $code = 1 ] || fail "$code: $(cat "$tmp/out")"
tail -n 1 "$tmp/out" | grep -q "unknown key 'sise'"
cp "$tmp/a.conf" "$NBDZRAM_CONF_DIR/a.conf"
rm -f "$run"/*

# A standby that an unfinished upgrade had stopped is continued.
serve a --size=32M --standby
eventually is_whole a
kill -9 "$pid"
eventually is_gone "$pid"
standby=$(sed -n 's/.*"pid":\([0-9]*\),[^}]*"waiting".*/\1/p' "$run/a.run")
stand "$standby"
serve a --size=32M --standby
eventually is_asleep "$standby" || fail "the standby does not go on"
stop a

# A lock keeper that ends late is forgotten.
serve a --size=32M --swap
eventually is_whole a
if lock_keeper=$(lock_keeper_pid a); then
    stand "$lock_keeper"
    kill_server a
    kill -9 "$pid"
    serve a --size=32M --swap
    kill -CONT "$lock_keeper"
    eventually is_gone "$lock_keeper" || fail "the lock keeper was not told to end"
    eventually none_gone a || fail "$(cat "$run/a.run")"
    eventually is_asleep "$pid" || fail "the supervisor never sleeps"
fi
stop a

# NAME.run is damaged, out of date or missing: the servers are found among the
# processes.
old_server ()
{
    serve a --size=32M --standby
    io "$(socket_uri a)" 'write -P 6 0 1M'
    eventually is_whole a
    server=$(server_pid a) standby=$(standby_pid a)
    kill -9 "$pid"
    eventually is_gone "$pid"
}
finds_it ()
{
    serve a --size=32M --standby
    grep -q "a.run is $1" "$tmp/a.log" || fail "$(cat "$tmp/a.log")"
    ! grep -q 'their pages are lost' "$tmp/a.log" || fail "$(cat "$tmp/a.log")"
    [ "$(server_pid a)" = "$server" ] || fail "another server"
    [ "$(standby_pid a)" = "$standby" ] || fail "another standby"
    io "$(socket_uri a)" 'read -P 6 0 1M'
    kill_server a
    io "$(socket_uri a)" 'read -P 6 0 1M'
    stop a
}
old_server
cp "$run/a.run" "$tmp/a.run"
head -c 100 "$tmp/a.run" >"$run/a.run"
finds_it 'missing or damaged'
old_server
rm "$run/a.run"
finds_it 'missing or damaged'
: >"$tmp/a.log"
old_server
cp "$tmp/a.run" "$run/a.run"
finds_it 'out of date'

# If no server lives, the message tells to remove the file.
printf '{"version":1' >"$run/a.run"
exits 75 'a.run, which .* is damaged.*: remove the file to begin anew' \
      serve a --size=32M
[ ! -e "$run/a.sup" ] || fail "a dead socket is left"
rm "$run/a.run"

# Only a lock keeper is left.
serve a --size=32M --swap
if ! lock_keeper_pid a >/dev/null; then
    echo "no lock keeper here"
else
    io "$(socket_uri a)" 'write -P 3 0 1M'
    eventually is_whole a
    victims="$pid $(standby_pid a) $(server_pid a)"
    # shellcheck disable=SC2086
    kill -9 $victims
    # Without the right to open the file of a mapping it fails, and changes
    # nothing.
    weak=(nbdzram)
    [ "$(id -u)" != 0 ] ||
        weak=(setpriv --bounding-set '-sys_admin,-checkpoint_restore' --
              "$nbdzram")
    code=0
    "${weak[@]}" serve a --size=32M --swap >"$tmp/out" 2>&1 || code=$?
    [ $code = 75 ] || fail "an empty pool instead: $code $(cat "$tmp/out")"
    grep -q "the pool of the servers can't be opened" "$tmp/out"
    if (: </proc/self/map_files/"$(sed -n '1s/ .*//p' /proc/self/maps)") \
           2>/dev/null; then
        serve a --size=32M --swap
        io "$(socket_uri a)" 'read -P 3 0 1M'
        eventually is_whole a
    fi
fi
nbdzram stop a 2>/dev/null || :
kill_all
rm -f "$run"/*

# If the pool of living servers can't be opened, no new one is created.
serve a --size=32M --standby
io "$(socket_uri a)" 'write -P 4 0 1M'
eventually is_whole a
kill -9 "$pid"
eventually is_gone "$pid"
cp "$run/a.run" "$tmp/a.run"
sed -i 's/"pool":[0-9]*/"pool":999/' "$run/a.run"
if [ "$(sed -n 's/.*"holder":{"pid":\([0-9]*\).*/\1/p' "$run/a.run")" = 0 ]; then
    exits 75 "the pool of the servers can't be opened" serve a --size=32M
else
    "${weak[@]}" serve a --size=32M --standby >"$tmp/out" 2>&1 && code=0 ||
        code=$?
    [ $code = 75 ] || fail "an empty pool instead: $code $(cat "$tmp/out")"
fi
cp "$tmp/a.run" "$run/a.run"
serve a --size=32M --standby
io "$(socket_uri a)" 'read -P 4 0 1M'
stop a

# All processes are gone: it says that the pages are lost, and begins anew.
serve a --size=32M
io "$(socket_uri a)" 'write -P 3 0 1M'
kill -9 "$pid" "$(server_pid a)"
eventually no_processes
mkdir -p "$tmp/root/proc" "$tmp/root/sys/block/nbd3"
printf '%s\n' 'Filename Type Size Used Priority' \
       '/dev/nbd3 partition 1 1 100' >"$tmp/root/proc/swaps"
echo nbdzram:a >"$tmp/root/sys/block/nbd3/backend"
NBDZRAM_ROOT=$tmp/root exits 1 '/dev/nbd3 is in use as swap, and the pages' \
            serve a --size=32M
serve a --size=32M
grep -q 'their pages are lost' "$tmp/a.log"
io "$(socket_uri a)" 'read -P 0 0 1M'
stop a
