#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the command asks of a server that has exports, and what it shows of
# names that no terminal should see.  The server is played, so it may say
# anything.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3

# Names of every kind, and a reply that has them all.
cat >"$tmp/make.py" <<'END'
import json
import sys

NAMES = ["", "-", "a", "b c", "q\"uo\\te\\x41", "new\nline\ttab\r",
         "\x1b[31mred\x1b]0;t\x07", "gr\xf6\xdfe\u2192", "\u009b31m", "\x7f",
         "$(touch x)", "{a,b}", "x" * 255, "\xe4" * 127, "--force", "a=b"]

exports = [{"name": name, "size": 2**30, "quota": i % 3 * 2**20, "held": i,
            "bandwidth": 0, "algorithm": "zstd:level=3" if i % 2 else "",
            "allow": "", "connections": i % 2,
            "orig_data_size": 4096, "reads": i, "read_bytes": 512 * i,
            "writes": i, "write_bytes": 512 * i, "trims": 0, "failed": 0}
           for i, name in enumerate (NAMES)]
kind = {"count": 1, "bytes": 1, "nanoseconds": 1, "latency": [1, 0]}
status = {"ok": True, "name": "zram0", "version": "1", "pid": 1, "uptime": 1,
          "algorithm": "lz4", "page_size": 4096, "clients": 0,
          "backing": None, "settings": {}, "devices": exports,
          "maintenance": {"cpu_nanoseconds": 0, "runs": {}},
          "statistics": {"orig_data_size": 1, "mem_used_total": 1}}
metrics = dict (status, requests={"read": kind, "write": kind},
                latency_bounds=[512], object_sizes=[[4096, 0]])
for name, reply in ("status", status), ("metrics", metrics):
    with open (f"{sys.argv[1]}/{name}", "w") as f:
        json.dump (reply, f)
with open (f"{sys.argv[1]}/names", "w") as f:
    json.dump (NAMES, f)
END
mkdir "$tmp/replies" "$XDG_RUNTIME_DIR/nbdzram"
python3 "$tmp/make.py" "$tmp/replies"
count=$(python3 -c 'import json, sys; print (len (json.load (sys.stdin)))' \
    <"$tmp/replies/names")
for reply in add resize; do
    echo '{"ok": true}' >"$tmp/replies/export-$reply"
done
echo '{"ok": true, "connections": 3}' >"$tmp/replies/export-remove"

python3 "$srcdir/tests/fake/control.py" \
    "$XDG_RUNTIME_DIR/nbdzram/zram0.ctl" "$tmp/replies" 2>"$tmp/played.log" &
servers+=("$!")
eventually [ -S "$XDG_RUNTIME_DIR/nbdzram/zram0.ctl" ] || fail "no server"

# ---- what is shown ----

# Nothing that a terminal obeys: in C, ASCII; in UTF-8, no C1 either.
harmless ()
{
    local lines=$1
    shift

    "$@" >"$tmp/shown"
    ! LC_ALL=C grep -q '[^ -~]' <(LC_ALL=C sed 's/[\x80-\xff]//g' "$tmp/shown") ||
        fail "$* in $LC_ALL: $(cat -v "$tmp/shown")"
    ! LC_ALL=C grep -q $'\xc2[\x80-\x9f]' "$tmp/shown" || fail "$*: C1"
    [ "$LC_ALL" = C.UTF-8 ] || ! LC_ALL=C grep -q '[^ -~]' "$tmp/shown" ||
        fail "$* in $LC_ALL: $(cat -v "$tmp/shown")"
    [ "$lines" = - ] || [ "$(wc -l <"$tmp/shown")" = "$lines" ] ||
        fail "$*: $(cat -v "$tmp/shown")"
}

# JSON leaves DEL as it is, which terminals ignore.
json_list ()
{
    nbdzram export list --json | tr -d '\177'
}

for locale in C C.UTF-8; do
    LC_ALL=$locale
    harmless $((count + 1)) nbdzram export list
    harmless $((count + 1)) nbdzram export list --raw --output-all
    # A word in each column, whatever is in it.
    awk 'NF != 16 { exit 1 }' "$tmp/shown" || fail "$(cat "$tmp/shown")"
    harmless "$count" nbdzram export list -n -o export,size
    harmless $((count + 4)) nbdzram status
    harmless - json_list
    harmless $((count + 1)) nbdzram top --exports --batch --iterations 1
done
LC_ALL=C.UTF-8 nbdzram export list >"$tmp/shown"
grep -q $'gr\xc3\xb6\xc3\x9fe' "$tmp/shown" ||
    fail "what can be printed is not"
LC_ALL=C
# Scripts get one line a server.
for option in --raw --noheadings --output=NAME,DATA --output-all; do
    [ "$(nbdzram status "$option" | wc -l)" -le 2 ] ||
        fail "$option: $(nbdzram status "$option")"
done

# Names as they are.
nbdzram export list --json >"$tmp/list"
python3 - "$tmp/list" "$tmp/replies/names" <<'END'
import json
import sys

listed, names = (json.load (open (f)) for f in sys.argv[1:])
assert [e["name"] for e in listed["exports"]] == names
END
nbdzram metrics >"$tmp/metrics"
python3 - "$tmp/metrics" "$tmp/replies/names" <<'END'
import json
import re
import sys

text = open (sys.argv[1], newline="\n").read ()
found = re.findall (r'^nbdzram_export_reads_total\{server="zram0",'
                    r'export="((?:[^"\\\n]|\\.)*)"\} (\d+)$', text, re.M)
plain = {r"\\": "\\", r"\n": "\n", r'\"': '"'}
found = [(re.sub (r"\\.", lambda m: plain[m[0]], name), n)
         for name, n in found]
names = json.load (open (sys.argv[2]))
assert found == [(name, str (i)) for i, name in enumerate (names)], found
END
tr -d '\r' <"$tmp/metrics" | python3 "$srcdir/tests/lib/prometheus.py"
for type in size=disk_size_bytes quota=export_quota_bytes \
        held=export_memory_bytes; do
    grep -q "^nbdzram_${type#*=}{server=\"zram0\",export=\"b c\"} " \
        "$tmp/metrics" || fail "no ${type%=*}"
done

# ---- what is asked ----

# asks REQUEST... -- ARGS...: nbdzram ARGS sends these.
asks ()
{
    local wanted=()
    while [ "$1" != -- ]; do
        wanted+=("$1")
        shift
    done
    shift
    rm -f "$tmp/replies/requests"
    nbdzram "$@" >"$tmp/out" || fail "$*"
    printf '%s\n' "${wanted[@]}" | cmp - "$tmp/replies/requests" ||
        fail "$* asks $(cat "$tmp/replies/requests")"
}

status='{"verb":"status"}'
asks '{"verb":"export-add","name":"a","settings":"size=1073741824"}' -- \
    export add --size=1G a
asks '{"verb":"export-add","name":"a b\"c\\\n","settings":"size=512:quota=4096:bandwidth=1024:algorithm=zstd:level=3:allow=192.0.2.0/24,2001:db8::/32"}' -- \
    export add $'a b"c\\\n' zram0 --allow=192.0.2.0/24,2001:db8::/32 \
    --algorithm=zstd:level=3 --bandwidth=1K --quota=4096 --size 512
[ ! -s "$tmp/out" ] || fail "$(cat "$tmp/out")"
asks '{"verb":"export-remove","name":"b c","force":false}' -- \
    export remove --yes 'b c'
asks '{"verb":"export-remove","name":"--force","force":true}' -- \
    export remove --force -- --force zram0
grep -qx '3 connections were cut' "$tmp/out" || fail "$(cat "$tmp/out")"
asks "$status" '{"verb":"export-resize","name":"","size":1073741824}' -- \
    export resize --size=1G ''
asks "$status" '{"verb":"export-resize","name":"a","size":2199023255552}' -- \
    export resize --size=2T a
asks '{"verb":"export-resize","name":"a","size":4096}' -- \
    export resize --size=4K --force a

# Maintenance of one export.
for verb in recompress writeback; do
    echo '{"ok": true}' >"$tmp/replies/$verb"
done
echo '{"ok": true, "pages": [], "next": 1, "end": 1}' >"$tmp/replies/pages"
asks '{"verb":"pages","count":4096,"first":3,"end":4,"device":"b c"}' -- \
    pages --export='b c' --range=3
asks '{"verb":"recompress","type":"huge","device":"a"}' -- \
    recompress --export a --type=huge zram0
asks '{"verb":"writeback","device":""}' -- writeback --export=

# What would lose data is not even asked for.
rm "$tmp/replies/requests"
exits 1 'a: the data after the new end would be lost' \
    export resize --size=1023M a
exits 1 '\\x1b\[31m: there is no such export' \
    export resize --size=1T $'\e[31m'
exits 1 'zram0: a: all of it would be lost; use --yes' export remove a
[ "$(sort -u "$tmp/replies/requests")" = "$status" ] ||
    fail "$(cat "$tmp/replies/requests")"

# A server that refuses.
echo '{"ok": false, "error": "\u001b[31m in use"}' \
    >"$tmp/replies/export-remove"
exits 1 'zram0: ?\[31m in use' export remove --yes a

# ---- what makes no sense ----

rm "$tmp/replies/requests"
exits 2 'list, add, remove or resize' export
exits 2 'frob is none of' export frob
exits 2 'requires the name of an export' export add --size=1G
exits 2 'requires the name of an export' export remove
exits 2 'one argument too many' export remove a zram0 b
exits 2 'one argument too many' export list zram0 b
exits 2 'add requires --size' export add a
exits 2 'resize requires --size' export resize a
exits 2 'not a size' export add --size=1X a
exits 2 'not a size' export add --size=1G --quota=rom a
exits 2 'not a size' export add --size=1G --bandwidth=-1 a
exits 2 'from 1 byte to 1 PiB' export add --size=0 a
exits 2 'from 1 byte to 1 PiB' export resize --size=2P a
exits 2 'add takes no --force' export add --force --size=1G a
exits 2 'add takes no --raw' export add --raw --size=1G a
exits 2 'remove takes no --size' export remove --size=1G a
exits 2 'resize takes no --quota' export resize --size=1G --quota=1M a
exits 2 'list takes no --allow' export list --allow=::1
exits 2 'resize takes no --algorithm' \
    export resize --size=1G --algorithm=lz4 a
exits 2 'list takes no --force' export list --force
exits 2 'add takes no --yes' export add --yes --size=1G a
exits 2 'prints no table' export list --json --bytes
exits 2 'unknown column X' export list -o EXPORT,X
exits 2 'xff: this is not UTF-8' export remove $'\xff'
exits 2 'xff: this is not UTF-8' export add --size=1G --allow=$'\xff' a
exits 2 'xff: this is not UTF-8' export add --size=1G --algorithm=$'\xff' a
exits 2 'is not UTF-8' writeback --export=$'\xff'
exits 2 '--type, --range or --export says' writeback
exits 3 'no such server' export remove a zram7
exits 3 'no such server' export remove --yes a zram7
[ ! -e "$tmp/replies/requests" ] || fail "$(cat "$tmp/replies/requests")"
