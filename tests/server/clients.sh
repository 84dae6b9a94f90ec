#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that go away in the middle of a request or a reply, that stop
# reading, five hundred of them, and exports by the hundred.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 qemu-io nbdcopy jq

# A connection takes three descriptors of the server's.
ulimit -n 4096 2>/dev/null || skip "too few files may be open"

# These versions end themselves when a client is gone that several replies
# are on their way to.
threads=16
version=$(nbdkit --version | sed 's/^nbdkit //; s/ .*//')
case $version in 1.32.[45]|1.33.[0-9]) threads=1 ;; esac

start_nbdkit zram -t $threads zram 64M
server=$pid
head -c 8M /dev/urandom >"$tmp/random"
nbdcopy "$tmp/random" "$(uri zram)"

for what in cut-requests cut-replies stops-reading; do
    python3 "$srcdir/tests/lib/clients.py" $what "$tmp/zram.sock" ||
        fail "$what"
done
few_threads () { [ "$(ls "/proc/$server/task" | wc -l)" -lt 20 ]; }
eventually few_threads || fail "threads stay: $(ls "/proc/$server/task" | wc -l)"

# resident: KiB of memory of the server's own and of its pool.
resident ()
{
    status_kib "$server" VmRSS
}

# crowd COUNT: what each of them takes, in KiB, while it does nothing.
crowd ()
{
    local before after
    mkfifo "$tmp/crowd"
    before=$(resident)
    python3 "$srcdir/tests/lib/clients.py" crowd "$tmp/zram.sock" "$1" \
        <"$tmp/crowd" >"$tmp/crowd.out" &
    local client=$!
    servers+=("$client")
    exec 8>"$tmp/crowd"
    eventually grep -q connected "$tmp/crowd.out" || fail "no crowd"
    after=$(resident)
    each=$(((after - before) / $1))
    echo >&8
    eventually grep -q answered "$tmp/crowd.out" || fail "not all answered"
    io "$(uri zram)" "write -P 1 0 64k"
    exec 8>&-
    wait "$client" || fail "the crowd"
    rm "$tmp/crowd"
}
each=0
crowd_size=500
[ ! "$quick" ] || crowd_size=50
crowd "${crowd_size}"
echo "an idle connection takes $each KiB"
# A sanitizer has its own notions of memory.
[ "${NBDZRAM_PRELOAD:-}" ] || [ "$each" -lt 1024 ] || fail "$each KiB"
eventually few_threads || fail "threads stay"
stop_nbdkit "$server"

# ---- exports of 1 TiB ----

[ ! "$quick" ] || exit 0
start_nbdkit zram zram exports=auto export-size=1T max-exports=400
server=$pid
python3 "$srcdir/tests/lib/clients.py" names "$tmp/zram.sock" 10
before=$(resident)
python3 "$srcdir/tests/lib/clients.py" names "$tmp/zram.sock" 400
# The file of the pool is memory of the server, too: its mapped part.
each=$((($(resident) - before) * 1024 / 390))
echo "an idle export of 1 TiB takes $each bytes"
[ $each -lt 65536 ] || fail "$each bytes"
[ "$(nbdzram status --json | jq '.. | objects | .statistics.mem_used_total // empty')" -lt $((400 * 65536)) ] ||
    fail "the pool takes more"
stop_nbdkit "$server"
