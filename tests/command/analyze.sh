#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram analyze counts pages of files, pipes and processes.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3
time="--time=50"

# 100 zero pages, 60 random ones, the first 20 of them again, 40 of text,
# and the beginning of another page.
python3 - "$tmp/file" <<'EOP'
import random, sys
r = random.Random (1)
noise = [r.randbytes (4096) for i in range (60)]
text = [b"".join (b"line %d of page %d\n" % (j, i)
                  for j in range (400))[:4096] for i in range (40)]
with open (sys.argv[1], "wb") as f:
    f.write (bytes (409600) + b"".join (noise + noise[:20] + text) + b"end")
EOP

# expect JSON EXPRESSION...: each is true for JSON.
expect ()
{
    local json=$1
    shift
    python3 - "$json" "$@" <<'EOP' || fail "$(cat "$json")"
import json, sys
j = json.load (open (sys.argv[1]))
a = {x["algorithm"]: x for x in j["algorithms"]}
for e in sys.argv[2:]:
    if not eval (e):
        sys.exit ("not true: " + e)
EOP
}

check_file ()
{
    expect "$tmp/json" 'j["pages"] == 221' 'j["same_pages"] == 100' \
        'j["duplicate_pages"] == 20' 'not j["duplicates_estimated"]' \
        'abs (j["incompressible_share"] - 80 / 221) < 1e-9' \
        'a["lz4"]["sample_pages"] == 121' \
        'abs (a["lz4"]["huge_share"] - 80 / 221) < 1e-9' \
        '2.4 < a["lz4"]["ratio"] < 2.8' \
        '3.1 < a["lz4"]["dedup_ratio"] < 3.7' \
        'a["lz4"]["compress_seconds"] > 0' \
        'a["lz4"]["decompress_seconds"] > 0' \
        'j["recommendation"].startswith ("Use algorithm=")'
}

nbdzram analyze --time 2000 --algorithm lz4 --json "$tmp/file" >"$tmp/json"
check_file
nbdzram analyze --time 2000 -a lz4 -J - <"$tmp/file" >"$tmp/json"
check_file
head -c 10M "$tmp/file" | nbdzram analyze --time 2000 -a lz4 -J - >"$tmp/json"
check_file

# By default all built-in algorithms are tried; else only those given.
nbdzram analyze $time --raw -n -o ALGORITHM "$tmp/file" >"$tmp/tried"
for name in $(nbdkit_zram --dump-plugin zram | sed -n 's/^zram_\(.*\)=yes/\1/p')
do
    grep -qx "$name" "$tmp/tried" || fail "$name was not tried"
done
nbdzram analyze $time --raw -n -o algorithm,sample -a lz4hc:level=3,lz4 \
    --sample 7 "$tmp/file" >"$tmp/tried"
printf 'lz4hc:level=3 7\nlz4 7\n' | diff - "$tmp/tried"

# Larger pages.
nbdzram analyze $time -J --page-size 64K "$tmp/file" >"$tmp/json"
expect "$tmp/json" 'j["page_size"] == 65536' 'j["pages"] == 14' \
    'j["same_pages"] == 6'

# The text ends in one line.
nbdzram analyze $time "$tmp/file" >"$tmp/text"
grep -q '^same-filled  *100 pages  45.2 %$' "$tmp/text"
grep -q '^duplicate  *20 pages   9.0 %$' "$tmp/text"
tail -n 1 "$tmp/text" | grep -q '^Use algorithm=.* : 1).*\.$'
head -c 1M /dev/urandom | nbdzram analyze $time - | tail -n 1 |
    grep -q 'is not worth it'

# A strong algorithm for idle pages is recommended too, if it saves enough and
# does not delay reads.
seq 200000 >"$tmp/numbers"
nbdzram analyze $time -J -a lz4,zstd:level=9 "$tmp/numbers" >"$tmp/json"
expect "$tmp/json" 'a["zstd"]["memory"] < 0.95 * a["lz4"]["memory"]' \
    '(("  Or algorithm=lz4 recompress=zstd:level=9: " in j["recommendation"])
      == (a["zstd"]["decompress_seconds"] <= 15e-6))'
nbdzram analyze $time -J -a lz4 "$tmp/numbers" >"$tmp/json"
expect "$tmp/json" '"recompress=" not in j["recommendation"]'

# A process: 2000 pages of noise, of which 500 are there twice.
python3 -c '
import mmap, os, signal
n = os.urandom (1500 * 4096)
m = mmap.mmap (-1, 2000 * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
m.write (n)
m.write (n[:500 * 4096])
print ("ready", flush=True)
signal.pause ()' >"$tmp/ready" &
servers+=("$!")
process=$!
eventually grep -q ready "$tmp/ready"
if [ -r "/proc/$process/mem" ]; then
    nbdzram analyze $time --json --pid "$process" >"$tmp/json"
    expect "$tmp/json" '3500 < j["pages"] < 20000' \
        '500 <= j["duplicate_pages"] < 1500' \
        '3000 < j["incompressible_share"] * j["pages"] < 4500'
fi

# ---- errors ----

: >"$tmp/empty"
exits 1 'empty: there are no pages to analyze' analyze "$tmp/empty"
exits 1 'No such file' analyze "$tmp/none"
exits 1 'Is a directory' analyze "$tmp"
exits 1 'process 999999999: there is no such process' analyze --pid 999999999
exits 2 'not a whole number' analyze --pid self
exits 2 'FILE or --pid' analyze --pid 1 "$tmp/file"
exits 2 'FILE or --pid' analyze
exits 2 'lz5' analyze -a lz4,lz5 "$tmp/file"
exits 2 'level' analyze -a lz4:level=0 "$tmp/file"
exits 2 'power of two' analyze --page-size 5000 "$tmp/file"
exits 2 'power of two' analyze --page-size 128K "$tmp/file"
exits 2 'not a size' analyze --page-size 4Q "$tmp/file"
exits 2 'from 1 to' analyze --sample 0 "$tmp/file"
exits 2 'from 1 to' analyze --time 0 "$tmp/file"
exits 2 'not a whole number' analyze --time 1e3 "$tmp/file"
