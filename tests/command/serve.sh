#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram serve: addresses, status, messages, requests, and mistakes.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

# In the background.
nbdzram serve --daemon --size=64M a algorithm=zstd >"$tmp/out" 2>&1 ||
    fail "$(cat "$tmp/out")"
[ ! -s "$tmp/out" ] || fail "$(cat "$tmp/out")"
[ "$(nbdinfo --size "$(socket_uri a)")" = $((64 << 20)) ]
[ "$(sup a '[.state, .pool, .swap, .standby] | tojson')" = \
  '["running","memfd",false,null]' ]
[ "$(sup a '.listen[0]')" = "$(socket_uri a)" ]
nbdzram status a --raw -n -o NAME,ALGORITHM | grep -q '^a zstd' ||
    fail "$(nbdzram status a)"
exits 1 'a: .*a.sup: another supervisor runs' serve a --size=64M
stop a

# An unsupervised server has the name already.
start_nbdkit plain zram 16M name=b
exits 1 'serve: b: control: .*b.ctl: another server is using it' \
      serve b --size=64M
stop_nbdkit "$pid"

# NAME.conf, and TCP; the command line overrides the file.
cat >"$NBDZRAM_CONF_DIR/b.conf" <<'END'
size = 16M
algorithm = lz4
END
serve b --listen=localhost:0 size=32M
uri=$(sup b '.listen[0]')
[[ $uri = nbd://* ]] || fail "$uri"
[ "$(nbdinfo --size "$uri")" = $((32 << 20)) ]
[ ! -e "$run/b.sock" ]
stop b

# A pool in a file outlives all processes.
new_pool
serve c --pool="$pool" --size=16M
io "$(socket_uri c)" 'write -P 7 0 64k'
exits 1 "pool=$pool: another process is using this pool" \
      serve d --pool="$pool" --size=16M
stop c
serve c --pool="$pool" --size=16M
io "$(socket_uri c)" 'read -P 7 0 64k'
stop c

# Readiness, by the protocol of sd_notify(3).
python3 - "$nbdzram" "$tmp" <<'END' || fail "sd_notify"
import os, socket, subprocess, sys
path = sys.argv[2] + '/notify'
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
s.settimeout(60)
p = subprocess.Popen([sys.argv[1], 'serve', 'n', '--size=16M'],
                     env=dict(os.environ, NOTIFY_SOCKET=path))
said = s.recv(4096).decode().splitlines()
assert 'READY=1' in said and 'MAINPID=%d' % p.pid in said, said
p.terminate()
assert p.wait(60) == 0
END
nothing_left

# Control requests wait for the first server, and so does the supervisor.
cat >"$tmp/slow" <<END
#!/bin/bash
until [ -e "$tmp/go" ]; do sleep 0.05; done
exec $nbdzramd "\$@"
END
chmod +x "$tmp/slow"
NBDZRAMD=$tmp/slow "$nbdzram" serve w --size=16M &
pid=$!
servers+=("$pid")
eventually test -S "$run/w.sup"
supervisor_pid w >"$tmp/out" &
asker=$!
sleep 0.3
eventually is_asleep "$pid" || fail "it does not sleep"
touch "$tmp/go"
wait "$asker"
[ "$(cat "$tmp/out")" = "$pid" ] || fail "not answered"
stop w

# The supervisor works if its parent process ignored SIGCHLD.
python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$nbdzram" serve i \
    --size=16M >"$tmp/i.log" 2>&1 &
servers+=($!)
eventually is_ready i || fail "$(cat "$tmp/i.log")"
kill -9 "$(server_pid i)"
is_restarted () { [ "$(restarts i)" = 1 ]; }
eventually is_restarted || fail "$(cat "$tmp/i.log")"
[ "$(sup i .last_exit)" = 'killed by signal 9' ] ||
    fail "$(sup i .last_exit)"
stop i

# A shell's soft limit of open files is raised.
if [ "$(ulimit -H -n)" = unlimited ] || [ "$(ulimit -H -n)" -ge 256 ]; then
    (ulimit -S -n 64; exec "$nbdzram" serve few --size=1M) \
        >"$tmp/few.log" 2>&1 &
    servers+=("$!")
    eventually is_ready few || fail "$(cat "$tmp/few.log")"
    stop few
fi

# ---- mistakes ----

refused ()
{
    exits 1 "$@"
    nothing_left
}
missing="the size is missing, and there is no $NBDZRAM_CONF_DIR"
refused "serve: e: $missing/e.conf; create it" serve e
echo 'algorithm = lz4' >"$NBDZRAM_CONF_DIR/half.conf"
refused "serve: half: the size is missing in $NBDZRAM_CONF_DIR/half.conf: " \
        serve half
# The lines that it proposes are a valid file.
"$nbdzram" serve e 2>&1 | grep -o "'[^']*'" | tr -d "'" \
    >"$NBDZRAM_CONF_DIR/mine.conf" || :
[ "$(wc -l <"$NBDZRAM_CONF_DIR/mine.conf")" = 2 ] || fail "not two lines"
"$bin/conf-show" "$NBDZRAM_CONF_DIR/mine.conf" >/dev/null
mkdir "$NBDZRAM_CONF_DIR/dir.conf"
refused "serve: dir: $NBDZRAM_CONF_DIR/dir.conf: Is a directory" serve dir
refused "serve: e: size: '4096' is 4096 bytes, and must be from 1M to" \
        serve e --size=4096
refused "serve: e: unknown key 'sise'" serve e sise=1G
(ulimit -n 64
 refused 'serve: e: a limit of 64 open files is too low: ulimit -n must be' \
         serve e --size=1G)
refused "serve: e: .*size" serve e --size=banana
refused "serve: e: .*algorithm 'lz5'" serve e --size=1G algorithm=lz5
[ "$(stat -f -c %T "$tmp")" = tmpfs ] ||
    refused "serve: e: pool=$tmp/none: must be a file on tmpfs" \
            serve e --size=1G --pool="$tmp/none"
refused 'serve: e: listen=nowhere: must be HOST:PORT' \
        serve e --size=1G --listen=nowhere
for port in 65536 99999 -1 +1 ' 80' 4294977296; do
    refused 'serve: e: listen=.*: the port must be from 0 to 65535' \
            serve e --size=1G "--listen=127.0.0.1:$port"
done
refused "serve: e: listen=$tmp: this is not a socket" \
        serve e --size=1G --listen="$tmp"
refused 'serve: e: listen=/.*: File name too long' \
        serve e --size=1G --listen="/$(printf 'x%.0s' {1..120})"
NBDZRAMD=$tmp/none refused 'serve: e: .*none: No such file' \
        serve e --size=1G
exits 1 "serve: e: .*algorithm 'lz5'" serve e --daemon --size=1G algorithm=lz5
echo 'sise = 1G' >"$NBDZRAM_CONF_DIR/f.conf"
refused "f.conf:1: unknown key 'sise'" serve f
exits 2 "can't be the name" serve a/b
exits 2 'one argument too many' serve a size=1G b
exits 3 'no supervisor is running' stop
exits 3 'zram5: no supervisor of this name is running' upgrade zram5

# The socket of a living server is not replaced.
serve g --listen="$tmp/nbd.sock" --size=16M
exits 1 'h: listen=.*: Address already in use' \
      serve h --listen="$tmp/nbd.sock" --size=16M
[ "$(nbdinfo --size "nbd+unix:///?socket=$tmp/nbd.sock")" = $((16 << 20)) ]

# ---- requests ----

asks ()
{
    echo "$1" | socat -t 20 - "UNIX-CONNECT:$run/g.sup" | grep -q "$2" ||
        fail "'$1' is not answered by '$2'"
}
asks 'nonsense' 'not a JSON object with a verb'
asks '[]' 'not a JSON object with a verb'
asks '{"verb": "explode"}' 'unknown verb'
asks '{"verb": "stop", "now": true}' 'unknown key'
asks '{"verb": "watch", "name": "g"}' 'not started with --swap'
printf '{"verb": "status"}\n{"verb": "status"}\n' |
    socat -t 20 - "UNIX-CONNECT:$run/g.sup" >"$tmp/out"
[ "$(grep -c '"state":"running"' "$tmp/out")" = 2 ] || fail "$(cat "$tmp/out")"
head -c 20000 /dev/zero | tr '\0' x |
    socat -t 20 - "UNIX-CONNECT:$run/g.sup" >"$tmp/out" 2>&1 || :
for ((i = 0; i < 40; i++)); do
    socat -u "UNIX-CONNECT:$run/g.sup" /dev/null &
    idle[i]=$!
done
sleep 0.2
kill "${idle[@]}"
wait "${idle[@]}" 2>/dev/null || :
eventually is_ready g || fail "idle clients keep others out"
asks '{"verb": "unwatch"}' 'name is missing'
asks '{"verb": "unwatch", "name": "g"}' '"ok":true'
stop g

# A watcher that fails is started again, until it is removed.
serve g --swap --size=16M
for wrong in '"connections": 17' '"connections": 0' '"timeout": 31' \
        '"timeout": "3"' '"dead_timeout": 9223372036854775807'; do
    asks "{\"verb\": \"watch\", \"uri\": \"nbd://x\", $wrong}" \
         'must be from 1 to'
done
asks '{"verb": "watch", "uri": "nbd+unix:///?socket=/none"}' '"name":"g"'
eventually grep -q 'the watcher of g .*started again' "$tmp/g.log"
[ "$(sup g '.watchers | length')" = 1 ] || fail 'it is not tried again'
asks '{"verb": "unwatch", "name": "g"}' '"ok":true'
is_unwatched () { [ "$(sup g '.watchers | length')" = 0 ]; }
eventually is_unwatched || fail 'it is still there'
stop g
