#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Prometheus itself: it accepts the page, scrapes it from a listener like the
# socket unit, and knows the metrics of the dashboard and of the alerts.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 jq promtool prometheus socat
run=$XDG_RUNTIME_DIR/nbdzram

# ---- something of everything ----

start_nbdkit zram zram 64M mem-limit=48M policy=on recompress=zstd \
    backing="$tmp/cold" backing-size=32M export=a:size=8M:quota=4M \
    export=b:size=4M
zram=$pid
head -c 4M /dev/urandom >"$tmp/random"
io "$(uri zram)" "write -P 0 0 4M" "write -P 5 16M 8M"
io "$(uri zram a)" "write -s $tmp/random 0 1M" "read 0 1M"
nbdzram idle all
nbdzram writeback --type=idle >/dev/null

# A server and a supervisor that are played have what is hard to get here.
mkdir "$tmp/control" "$tmp/status"
cat >"$tmp/control/metrics" <<'END'
{"ok": true, "name": "hard", "version": "1", "algorithm": "zstd",
 "backing": "degraded", "backing_halves": [{"uri": "nbd://x", "state": "ok",
   "in_sync": true, "left": 0, "connections": 1, "reconnects": 0}],
 "hardening": {"mlock": true, "locked": 1, "io_flusher": true, "scheduling":
   "fifo 2", "oom_score_adj": -1000, "reserve": {"size": 9, "now": 8, "low": 7,
   "refills": 6, "misses": 5}}}
END
cat >"$tmp/status/status" <<'END'
{"ok": true, "name": "zram0", "version": "1", "state": "running",
 "server": {"pid": 1, "ready": true}, "standby": {"pid": 2, "waiting": true},
 "holder": {"pid": 3}, "restarts": 4, "pool": "memfd", "swap": true,
 "watchers": [{"name": "zram0", "pid": 5}]}
END
for socket in control:hard.ctl status:zram0.sup; do
    python3 "$srcdir/tests/fake/control.py" "$run/${socket#*:}" \
        "$tmp/${socket%:*}" 2>"$tmp/${socket%:*}.log" &
    servers+=("$!")
    eventually [ -S "$run/${socket#*:}" ] || fail "$socket is not played"
done

# A kernel that swaps to two areas of its device, and to a mirror.
export NBDZRAM_ROOT=$tmp/root
sys=$NBDZRAM_ROOT/sys/block
mkdir -p "$sys"/nbd5/nbd5p{1,3} "$NBDZRAM_ROOT"/proc/11 \
    "$sys"/nbd6/holders/md7 "$sys"/md7/{md/dev-nbd6,slaves/nbd6}
for n in 5:zram0 6:far; do
    echo 1 >"$sys/nbd${n%:*}/pid"
    echo "nbdzram:${n#*:}" >"$sys/nbd${n%:*}/backend"
    echo 131072 >"$sys/nbd${n%:*}/size"
    echo "{\"device\": \"/dev/nbd${n%:*}\", \"index\": ${n%:*}, \"pid\": 1,
        \"uri\": \"nbd://x\", \"size\": 67108864, \"connections\": 2,
        \"identifier\": \"nbdzram:${n#*:}\", \"reconnects\": 7}" \
        >"$run/${n#*:}.attach"
done
echo raid1 >"$sys/md7/md/level"
echo 2 >"$sys/md7/md/raid_disks"
echo in_sync >"$sys/md7/md/dev-nbd6/state"
echo 'kworker/u8:1+nbd5-recv' >"$NBDZRAM_ROOT/proc/11/comm"
printf 'MemTotal: 262144 kB\nMemAvailable: 100000 kB\n' \
    >"$NBDZRAM_ROOT/proc/meminfo"
printf '%s partition 16380 1024 100\n' /dev/nbd5p1 /dev/nbd5p3 /dev/md7 \
    >"$NBDZRAM_ROOT/proc/swaps"
for part in p1:0:32768 p3:32768:65536; do
    IFS=: read -r name start size <<<"$part"
    echo "$start" >"$sys/nbd5/nbd5$name/start"
    echo "$size" >"$sys/nbd5/nbd5$name/size"
done

# ---- the page ----

nbdzram metrics >"$tmp/page"
promtool check metrics <"$tmp/page" || fail "promtool check metrics"
python3 "$srcdir/tests/lib/prometheus.py" <"$tmp/page"
! printf 'a_total{s="1"} 1\n# TYPE a_total gauge\n' |
    promtool check metrics >/dev/null 2>&1 || fail "it accepts everything"

# ---- the dashboard, and the alerts ----

dashboard=$srcdir/doc/grafana-dashboard.json
alerts=$srcdir/doc/prometheus-alerts.yml
promtool check rules "$alerts" || fail "promtool check rules"
sed -n 's/^\(nbdzram_[a-z_]*\){.*/\1/p' "$tmp/page" | sort -u >"$tmp/samples"
for file in "$dashboard" "$alerts"; do
    grep -o '\bnbdzram_[a-z_]*' "$file" | sort -u >"$tmp/named"
    [ "$(wc -l <"$tmp/named")" -gt 10 ] || fail "$(cat "$tmp/named")"
    missing=$(comm -23 "$tmp/named" "$tmp/samples")
    [ ! "$missing" ] || fail "$file names what is not there: $missing"
done

# ---- a scrape ----

# listen WHAT COMMAND...: start COMMAND, with the word PORT replaced by a $port
# of this machine that is free.
listen ()
{
    local what=$1 i
    shift

    for ((i = 0; i < 20; i++)); do
        port=$((20000 + RANDOM % 12000))
        "${@//PORT/$port}" >"$tmp/$what.log" 2>&1 &
        servers+=("$!")
        eventually ended_or_listens "$!" || fail "$what"
        has_ended "$!" || return 0
    done
    skip "no free port here: $(cat "$tmp/$what.log")"
}

ended_or_listens ()
{
    has_ended "$1" || { : <"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null
}

if command -v systemd-socket-activate >/dev/null; then
    listen socket systemd-socket-activate --accept --inetd \
        -l 127.0.0.1:PORT -E XDG_RUNTIME_DIR -E NBDZRAM_ROOT \
        "$nbdzram" metrics --http
else
    listen socket socat TCP-LISTEN:PORT,bind=127.0.0.1,fork,reuseaddr \
        EXEC:"$nbdzram metrics --http"
fi
cat >"$tmp/prometheus.yml" <<END
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ $(cd "$(dirname "$alerts")" && pwd)/$(basename "$alerts") ]
scrape_configs:
  - job_name: nbdzram
    static_configs: [ targets: [ "localhost:$port" ] ]
END
promtool check config "$tmp/prometheus.yml" >"$tmp/out" 2>&1 ||
    fail "$(cat "$tmp/out")"
listen prometheus prometheus --config.file="$tmp/prometheus.yml" \
    --storage.tsdb.path="$tmp/data" --web.listen-address=127.0.0.1:PORT \
    --log.level=warn

# query EXPRESSION: its values, one a line; fails if there is none.
query ()
{
    promtool query --format=json instant "http://127.0.0.1:$port" "$1" |
        jq -er '.[].value[1]'
}
is () { [ "$(query "$1" 2>/dev/null)" = "$2" ]; }

eventually is 'up{job="nbdzram"}' 1 || fail "$(cat "$tmp"/*.log)"
eventually is 'nbdzram_up{server="zram0"}' 1 || fail "$(query nbdzram_up)"
eventually is 'nbdzram_disk_size_bytes{export="a"}' 8388608 || fail "exports"
eventually is 'nbdzram_reserve_misses_total{server="hard"}' 5 || fail "reserve"
eventually is 'nbdzram_device_connections_alive{device="/dev/nbd5"}' 1
is 'count (scrape_samples_scraped > 300)' 1 ||
    fail "$(query scrape_samples_scraped) samples"

# Prometheus understands what the dashboard asks.
jq -r '.panels[].targets[].expr' "$dashboard" |
    sed 's/\$__rate_interval/5m/g; s/\$[a-z]*/.*/g' >"$tmp/expressions"
[ "$(wc -l <"$tmp/expressions")" -gt 20 ] || fail "$(cat "$tmp/expressions")"
awk '{ printf "(%s) or ", $0 } END { print "vector (7)" }' "$tmp/expressions" \
    >"$tmp/all"
query "$(cat "$tmp/all")" >/dev/null || fail "the dashboard's expressions"

# A server that was killed is an alert, which waits for its minute.
stop_nbdkit "$zram" KILL
eventually is 'nbdzram_up{server="zram0"}' 0 || fail "$(query nbdzram_up)"
eventually is 'ALERTS{alertname="NbdzramServerDown",server="zram0"}' 1 ||
    fail "no alert"
is 'up{job="nbdzram"}' 1 || fail "the page is gone, too"
