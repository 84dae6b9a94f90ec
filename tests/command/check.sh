#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram check finds problems of the machine and the server, with the files of
# the kernel in a directory of the test.
. "${srcdir:-.}/tests/lib/functions.sh"

requires jq socat
export NBDZRAM_ROOT=$tmp/root

# machine FREE_KIB CLUSTER MEMORY_KIB [nbd]
machine ()
{
    rm -rf "$NBDZRAM_ROOT"
    mkdir -p "$NBDZRAM_ROOT"/proc/sys/vm "$NBDZRAM_ROOT"/sys/{module,fs/cgroup}
    echo "$1" >"$NBDZRAM_ROOT/proc/sys/vm/min_free_kbytes"
    echo "$2" >"$NBDZRAM_ROOT/proc/sys/vm/page-cluster"
    echo "MemTotal:    $3 kB" >"$NBDZRAM_ROOT/proc/meminfo"
    [ ! "${4:-}" ] || mkdir "$NBDZRAM_ROOT/sys/module/nbd"
}

# check EXIT ARGS...: the list of checks goes to $tmp/list.
check ()
{
    local code=0 wanted=$1
    shift
    nbdzram check --json "$@" >"$tmp/list" || code=$?
    [ $code = "$wanted" ] || fail "check $*: $code: $(cat "$tmp/list")"
}

# says CHECK STATUS [PATTERN]: in the last list; PATTERN matches "found" or
# "remedy".
says ()
{
    jq -e --arg check "$1" --arg status "$2" --arg pattern "${3:-}" '
        [.checks[] | select(.check == $check)] | length == 1
        and .[0].status == $status
        and ((.[0].found + " " + (.[0].remedy // "") | sub(" $"; ""))
             | test($pattern))' \
        "$tmp/list" >/dev/null || fail "not $*: $(cat "$tmp/list")"
}

# ---- the machine ----

machine 8192 0 262144 nbd
check 0
says nbd ok
says min-free ok
says page-cluster ok
[ "$(jq -c '[.ok, .name, (.checks | length)]' "$tmp/list")" = '[true,null,3]' ]

machine 1755 3 262144
check 1
says nbd missing 'modprobe nbd'
says min-free missing 'min_free_kbytes=8192$'
says page-cluster warn 'page-cluster=0'

machine 67584 0 16777216 nbd
check 0
says min-free warn '=262144$'
# The value that swapon sets is enough, however large the machine is.
machine 262144 0 67108864 nbd
check 0
says min-free ok
machine 67584 0 16777216 nbd

# As text: a line for each check, and one for what to do.
nbdzram check >"$tmp/out"
[ "$(wc -l <"$tmp/out")" = 4 ] || fail "$(cat "$tmp/out")"
grep -q '^warn     min-free ' "$tmp/out"
grep -q '^  *-> sysctl -w vm.min_free_kbytes=262144' "$tmp/out"

# Real-time priority is not allowed.
mkdir "$NBDZRAM_ROOT/proc/sys/kernel"
echo 950000 >"$NBDZRAM_ROOT/proc/sys/kernel/sched_rt_runtime_us"
check 0
says real-time ok
echo 0 >"$NBDZRAM_ROOT/proc/sys/kernel/sched_rt_runtime_us"
check 1
says real-time missing 'sysctl -w kernel.sched_rt_runtime_us=950000'

# No files of the kernel at all.
rm -rf "$NBDZRAM_ROOT"
check 1
says min-free warn "can't be read"

# ---- a server ----

exits 3 'there is no such server' check nobody

# Of process $pid: seen CAPABILITIES LIMIT CGROUP
seen ()
{
    machine 8192 0 262144 nbd
    mkdir -p "$NBDZRAM_ROOT/proc/$pid"
    printf 'CapEff:\t%s\n' "$1" >"$NBDZRAM_ROOT/proc/$pid/status"
    echo "Max locked memory         $2           $2           bytes" \
        >"$NBDZRAM_ROOT/proc/$pid/limits"
    printf '%s\n' "$3" >"$NBDZRAM_ROOT/proc/$pid/cgroup"
}

group ()
{
    mkdir -p "$NBDZRAM_ROOT/sys/fs/cgroup/$1"
    echo "$3" >"$NBDZRAM_ROOT/sys/fs/cgroup/$1/$2"
}

start_nbdkit plain zram 64M name=plain
seen 0000000000000000 8388608 0::/a/b
check 1 plain
says lock missing 'mlock=on'
says lock-limit missing 'LimitMEMLOCK'
says io-flusher missing CAP_SYS_RESOURCE
says scheduling missing CAP_SYS_NICE
says oom missing OOMScoreAdjust
says reserve warn 'mlock=on'
says cgroup ok 'no memory limit'
says supervisor missing 'nbdzram serve plain'
[ "$(jq -r .name "$tmp/list")" = plain ]
if jq -e '.checks[] | select(.check == "watcher")' "$tmp/list"; then
    fail "there is nothing to watch"
fi

seen 0000000000004000 8388608 0::/a/b
group a/b memory.max max
group a memory.max $((32 * 1024 * 1024))
check 1
says lock-limit ok CAP_IPC_LOCK
says cgroup missing 'MemoryHigh=infinity in its unit$'

seen 0000000000000000 unlimited $'12:cpu,memory:/x\n0::/'
group memory/x memory.limit_in_bytes 9223372036854771712
check 1
says lock-limit ok none
says cgroup ok 'no memory limit'
group memory/x memory.limit_in_bytes $((1024 * 1024 * 1024))
check 1
says cgroup ok '1G, and the pool'

# Memory besides the pool needs room, too; memory.high is a limit as well.
seen 0 unlimited 0::/a/b
group a/b memory.max max
group a memory.max $((100 * 1024 * 1024))
check 1
says cgroup missing 'of at most 36M'
group a memory.max $((200 * 1024 * 1024))
check 1
says cgroup ok
group a memory.high $((100 * 1024 * 1024))
check 1
says cgroup missing 'of at most 36M'
if jq -e '.checks[] | select(.check == "cgroup-swap")' "$tmp/list"; then
    fail "there is no limit of swap"
fi
group a/b memory.swap.max max
check 1
says cgroup-swap warn MemorySwapMax=0
group a memory.swap.max 0
check 1
says cgroup-swap ok
stop_nbdkit "$pid"

# mem-limit, or memory, compared with the most that the disk can need.
start_nbdkit plain zram 512M name=plain
seen 0 unlimited 0::/
check 1
says mem-limit warn "up to 514M, and the machine's memory may hold 256M"
nbdzram set plain mem-limit=400M >/dev/null
check 1
says mem-limit warn 'mem-limit may hold 400M.*size= of at most 398M'
nbdzram set plain mem-limit=520M >/dev/null
check 1
says mem-limit ok
stop_nbdkit "$pid"

# ---- processes beside the server ----

# sup REPLY: a process that answers in place of the supervisor.
sup ()
{
    local sock=$XDG_RUNTIME_DIR/nbdzram/plain.sup
    [ ! "${sup_pid:-}" ] || { kill "$sup_pid"; wait "$sup_pid" || :; }
    rm -f "$sock"
    echo "$1" >"$tmp/reply"
    socat "UNIX-LISTEN:$sock,fork" "SYSTEM:read line; cat $tmp/reply" &
    sup_pid=$!
    servers+=("$sup_pid")
    eventually [ -S "$sock" ]
}

start_nbdkit plain zram 64M name=plain
seen 0 unlimited 0::/
for each in 7 8 9 4242; do process $each; done
sup '{"ok":true,"pid":7,"standby":{"pid":9,"waiting":true},"holder":{"pid":8}}'
check 1
says supervisor ok 'process 7'
says standby ok
says holder ok
sup '{"ok":true,"pid":7,"standby":{"pid":0,"waiting":false},"holder":{"pid":0}}'
check 1
says standby missing
says holder missing

# Each is checked in the kernel.  One thread without protection is enough.
sup '{"ok":true,"pid":7,"standby":{"pid":9,"waiting":true},"holder":{"pid":8}}'
process 7 '' 0
process 8 '' '' 0
process 9 4194304
check 1
says supervisor missing 'process 7 has no real-time priority .*CAP_SYS_NICE'
says holder missing 'process 8 has no locked memory'
says standby missing 'process 9 has no IO_FLUSHER'
process 7
process 8 0 0 1024 -900
mkdir "$NBDZRAM_ROOT/proc/9/task/10"
process 9
sed 's/ 3 1 / 0 0 /' "$NBDZRAM_ROOT/proc/9/task/9/stat" \
    >"$NBDZRAM_ROOT/proc/9/task/10/stat"
check 1
says supervisor ok
says holder missing 'no oom_score_adj of -1000'
says standby missing 'no real-time priority'
process 8
rm -r "$NBDZRAM_ROOT/proc/9/task/10"
echo 0::/c >"$NBDZRAM_ROOT/proc/7/cgroup"
group c memory.max $((40 * 1024 * 1024))
check 1
says supervisor missing 'no more than 40M of memory'
says standby ok
says holder ok
rm "$NBDZRAM_ROOT/proc/7/cgroup"

attach ()
{
    echo "{\"device\": \"$2\", \"pid\": $3, \"index\": 0}" \
        >"$XDG_RUNTIME_DIR/nbdzram/$1.attach"
}
attach plain /dev/nbd0 4242
check 1
says watcher ok '4242 keeps /dev/nbd0 connected'
says queue ok
mkdir -p "$NBDZRAM_ROOT/sys/block/nbd0/queue"
echo 2000 >"$NBDZRAM_ROOT/sys/block/nbd0/queue/wbt_lat_usec"
check 1
says queue warn 'echo 0 >/sys/block/nbd0/queue/wbt_lat_usec'
process 4242 '' '' '' 0
check 1
says watcher missing 'process 4242 has no oom_score_adj'
process 4242
attach plain /dev/nbd0 4243
check 1
says watcher missing 'nbdzram watch plain$'
rm "$XDG_RUNTIME_DIR/nbdzram/plain.attach"
attach plain.1 /dev/nbd1 4243
attach other /dev/nbd2 4243
check 1
says watcher missing 'nbdzram watch plain.1$'
stop_nbdkit "$pid"

# ---- a hardened server, and the real kernel ----

unset NBDZRAM_ROOT
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a sanitizer maps too much to lock"
nbdkit_zram -U - zram 1M mlock=on --run true >"$tmp/try" 2>&1 ||
    skip "memory can't be locked here"
start_nbdkit hard zram 64M name=hard mlock=on
check 1 hard
says lock ok
says reserve ok
# The server has reported what the system refuses; all else is ok.
for each in 'scheduling SCHED_FIFO' 'oom oom_score_adj' 'io-flusher IO_FLUSHER'
do
    if grep -q "refuses:.*${each#* }" "$tmp/hard.log"; then
        echo "skip: ${each% *} is refused here"
        says "${each% *}" missing
    else
        says "${each% *}" ok
    fi
done
stop_nbdkit "$pid"
