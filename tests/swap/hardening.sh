#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mlock=on: what the kernel says of the server afterwards.
. "${srcdir:-.}/tests/lib/functions.sh"

requires qemu-io jq setpriv
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a sanitizer maps too much to lock"

# ---- refusals ----

refuses "reserve: '1' .* must be from 64K to 16G" zram 1M mlock=on reserve=1
refuses 'requires mlock=on' zram 1M mlock=off reserve=1M
refuses 'neither on nor off' zram 1M mlock=perhaps

# Without the right to, and at a limit.
code=0
setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock \
    bash -c 'ulimit -l 64 && exec nbdkit -U "$2" "$1" 1M mlock=on --run true' \
    bash "$plugin" "$tmp/limit.sock" >"$tmp/refused" 2>&1 || code=$?
if [ "$(id -u)" = 0 ]; then
    [ $code != 0 ] && [ "$(grep -c error: "$tmp/refused")" = 1 ] &&
        grep -q "memory can't be locked.*CAP_IPC_LOCK" "$tmp/refused" ||
        fail "without CAP_IPC_LOCK: $(cat "$tmp/refused")"
fi

# Where the kernel says that it locks memory, and does not.
for server in "nbdkit $plugin" "$nbdzramd"; do
    # shellcheck disable=SC2086
    ! LD_PRELOAD=$bin/mlock-nothing.so timeout 20 $server \
        -U "$tmp/nothing.sock" 1M mlock=on --run true >"$tmp/refused" 2>&1 ||
        fail "$server: memory that is not locked"
    grep -q "memory can't be locked: mlockall succeeds here, but VmLck" \
        "$tmp/refused" || fail "$(cat "$tmp/refused")"
    [ "$(grep -c error: "$tmp/refused")" = 1 ] || fail "$(cat "$tmp/refused")"
done

nbdkit_zram -U - zram 1M mlock=on --run true >"$tmp/try" 2>&1 ||
    skip "memory can't be locked here"

# ---- what it says ----

# Of the one server that runs.
hardening () { nbdzram status --json | jq -c ".. | .hardening? | select(.) | $1"; }

# NAME POLICY PRIORITY of its threads; 1 is SCHED_FIFO.
threads ()
{
    local task

    for task in "/proc/$pid/task/"*; do
        sed -E 's/^[0-9]+ \((.*)\) /\1 /' "$task/stat" |
            awk '{ print $1, $40, $39 }'
    done | sort -u
}

# stacks: of threads that run, and of those that may.  Each has a page before it
# that can't be used.
stacks () { awk '$2 == "---p" && $5 == 0' "/proc/$pid/maps" | wc -l; }
has_stacks () { [ "$(stacks)" = "$1" ]; }
# stacks_are NBDKIT NBDZRAMD, once a thread that begins or ends has done so.
stacks_are ()
{
    if serves_with nbdkit; then set -- "$1"; else set -- "$2"; fi
    eventually has_stacks "$1" || fail "$(stacks) stacks instead of $1"
}

start_nbdkit zram zram 64M
[ "$(hardening '[.mlock, .scheduling, .reserve.size]')" = \
    '[false,"other",0]' ] || fail "$(hardening .)"
[ "$(status_kib "$pid" VmLck)" = 0 ] || fail "locked without being told"
stop_nbdkit "$pid"

start_nbdkit zram zram 64M mlock=on
[ "$(hardening '[.mlock, .reserve.size, .reserve.now, .reserve.misses]')" = \
    '[true,1048576,1048576,0]' ] || fail "$(hardening .)"
[ "$(status_kib "$pid" VmLck)" -gt 0 ] || fail "not locked"
# Two connections of 17 threads, or four of one; and six that don't serve.
stacks_are 40 10
coproc qemu-io -f raw "$(uri zram)"
echo "write -P 5 0 1M" >&"${COPROC[1]}"
has_written () { nbdzram status --json | grep -q '"same_pages": 256'; }
eventually has_written || fail "nothing was written"
if grep -q 'refuses:.*SCHED_FIFO' "$tmp/zram.log"; then
    echo "skip: SCHED_FIFO is refused here"
else
    [ "$(hardening .scheduling)" = '"fifo 2"' ] || fail "$(hardening .)"
    diff - <(threads) <<EOF || fail "threads: name, policy, priority"
${NBDZRAM_SERVER:-nbdkit} 1 2
zram-control 0 0
zram-maintain 1 1
zram-reserve 1 1
zram-worker 0 0
EOF
fi
for each in oom_score_adj=-1000 io_flusher=true; do
    if grep -qi "refuses:.*${each%=*}" "$tmp/zram.log"; then
        echo "skip: ${each%=*} is refused here"
    else
        [ "$(hardening ".${each%=*}")" = "${each#*=}" ] || fail "no $each"
    fi
done
stacks_are 40 10                # a client needs no further one
echo quit >&"${COPROC[1]}"
stop_nbdkit "$pid"

# Four connections with four workers each.
start_nbdkit zram zram 64M mlock=on backing="$tmp/backing" backing-size=1M
stacks_are 40 26
io "$(uri zram)" "write -P 5 0 1M"
stacks_are 40 26
stop_nbdkit "$pid"

# ---- in the background ----

# A fork drops locks.
nbdkit --swap -U "$tmp/swap.sock" null --run true 2>/dev/null ||
    skip "nbdkit --swap does not work"
for option in mlock=on --swap; do
    nbdkit_command -P "$tmp/daemon.pid" -U "$tmp/daemon.sock" \
        $([ $option = mlock=on ] || echo $option) zram 64M \
        $([ $option = --swap ] || echo $option)
    "${command[@]}" 2>"$tmp/daemon.log"
    eventually [ -s "$tmp/daemon.pid" ]
    pid=$(cat "$tmp/daemon.pid")
    servers+=("$pid")
    [ "$(status_kib "$pid" VmLck)" -gt 0 ] ||
        fail "$option in the background: nothing is locked"
    io "$(uri daemon)" "write -P 5 0 1M" "read -P 5 0 1M"
    kill "$pid"
    gone () { ! kill -0 "$pid" 2>/dev/null; }
    eventually gone || fail "it does not end"
    rm -f "$tmp/daemon.pid" "$tmp/daemon.sock"
done

# ---- a disk that can't be filled ----

start_nbdkit zram zram 64T mlock=on
[ "$(status_kib "$pid" VmRSS)" -lt 131072 ] ||
    fail "$(status_kib "$pid" VmRSS) KiB for nothing"
io "$(uri zram)" "write -P 2 32T 1M" "read -P 2 32T 1M" "discard 32T 1M" \
    "read -P 0 32T 1M"
