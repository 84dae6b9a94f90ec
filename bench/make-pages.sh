#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Make a data set of real memory pages, about 190 MB: half the heap of a
# node program, half that of a python program.
#   make-pages.sh FILE
# A FILE that is there already is kept.
set -e
export LC_ALL=C

pages=24320                     # of each program: 95 MB

if [ $# -ne 1 ]; then
    echo "usage: $0 FILE" >&2
    exit 1
fi
file=$1
if [ -s "$file" ]; then exit 0; fi

tmp=$(mktemp -d)
pids=
# shellcheck disable=SC2086
cleanup () {
    if [ -n "$pids" ]; then kill $pids 2>/dev/null || :; fi
    rm -rf "$tmp"
}
trap cleanup EXIT

cat > "$tmp/node.js" <<'END'
const users = [];
for (let i = 0; i < 250000; i++)
  users.push({ id: i, name: "user" + i,
               email: "u" + (i * 7919 % 100003) + "@example.com",
               tags: ["a" + (i % 17), "b" + (i % 31)],
               score: Math.random(), seen: new Date(i * 1e6) });
const byEmail = new Map();
for (const u of users) byEmail.set(u.email, u);
const text = JSON.stringify(users.slice(0, 50000));
const copy = JSON.parse(text);
console.log("ready");
setInterval(() => byEmail.size + copy.length, 1000);
END

cat > "$tmp/python.py" <<'END'
import ast, collections, json, os, random, re, sqlite3, time
random.seed(1)
records = {i: {"key": "key%d" % i, "values": [random.random() for _ in range(3)],
               "triple": ("x", i, str(i * 3))} for i in range(90000)}
words, trees, texts = collections.Counter(), {}, {}
for folder, _, names in os.walk(os.path.dirname(os.__file__)):
    for name in names:
        if not name.endswith(".py") or len(texts) > 3000:
            continue
        try:
            with open(os.path.join(folder, name)) as f:
                text = f.read()
            words.update(re.findall(r"\w+", text))
            texts[name] = text
            if len(trees) < 400 and len(text) < 20000:
                trees[name] = ast.parse(text)
        except (OSError, SyntaxError, ValueError):
            pass
db = sqlite3.connect(":memory:")
db.execute("create table t (a integer primary key, b text, c real)")
db.executemany("insert into t (b, c) values (?, ?)",
               (("row %d of text %x" % (i, i * 2654435761), i * .37)
                for i in range(200000)))
db.execute("create index i on t (b)")
print("ready", flush=True)
time.sleep(600)
END

# start COMMAND...: run it in the background until it says that it is
# ready.  It may say so by failing: a python without sqlite is no python
# for this.
start () {
    local out=$tmp/out.$1 pid
    : > "$out"
    "$@" > "$out" 2>/dev/null &
    pid=$!
    for _ in $(seq 600); do
        if grep -q ready "$out"; then
            pids="$pids $pid"
            return 0
        fi
        if ! kill -0 "$pid" 2>/dev/null; then return 1; fi
        sleep 0.1
    done
    kill "$pid"
    return 1
}

have=()
if command -v node >/dev/null && start node "$tmp/node.js"; then
    have+=(node)
fi
if command -v python3 >/dev/null && start python3 "$tmp/python.py"; then
    have+=(python3)
fi

case ${#have[@]} in
2) ;;
1) echo "make-pages: only ${have[0]} is installed: all pages are from it" >&2
   pages=$((2 * pages)) ;;
0) echo "make-pages: neither node nor python3 is installed:" \
        "the data are system files, not memory" >&2
   find /usr/bin /usr/lib /usr/share -type f -size +16k -print0 2>/dev/null |
       sort -z | xargs -0 cat 2>/dev/null |
       head -c $((2 * pages * 4096)) > "$file.new" || :
   mv "$file.new" "$file"
   exit 0 ;;
esac

# shellcheck disable=SC2086
dump-pages -n "$pages" -o "$file.new" $pids
mv "$file.new" "$file"
