#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The real nbdzram watch between a fake kernel and servers that are killed or
# stopped under load; and it is killed itself.  No page may be wrong, no
# request may fail, and a server that was stopped must never continue.
. "${srcdir:-.}/tests/lib/functions.sh"

[ "$(id -u)" = 0 ] || skip "this needs root"
new_pool
echo "SEED=$seed"
RANDOM=$((seed % 32768))
rounds=${quick:+4}
rounds=${rounds:-12}
# A server that is only slow must not be killed.
timeout=${quick:+6}
timeout=${timeout:-3}

export NBDZRAM_ROOT=$tmp/root FAKE_KERNEL=$tmp/kernel
queue=$NBDZRAM_ROOT/sys/block/nbd0/queue
mkdir -p "$queue"
echo '[mq-deadline] kyber none' >"$queue/scheduler"
echo 2000 >"$queue/wbt_lat_usec"
echo 20000 >"$queue/io_timeout"

start_server ()
{
    start_nbdkit swap zram 8M "pool=$pool" name=swap0
    server=$pid
}

start_watcher ()
{
    "$bin/../fake/watch" swap0 --uri "$(uri swap)" --timeout "$timeout" \
        -C 3 2>>"$tmp/watch.log" &
    watcher=$!
    servers+=("$watcher")
}

field ()
{
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" \
        "$XDG_RUNTIME_DIR/nbdzram/swap0.attach"
}

# All sockets of the kernel belong to this server.
all_connected ()
{
    local n

    n=$(ask swap0 '{"verb":"status"}' 2>/dev/null |
        sed -n 's/.*"clients": *\([0-9]*\).*/\1/p')
    [ "${n:-0}" -ge 3 ]
}

# ... and all have been taken.
all_taken ()
{
    grep 'connected again' "$tmp/watch.log" | tail -n 1 | grep -q '3 of 3'
}

is_dead () { has_ended "$server"; }

# A watcher that was killed before the kernel took its last socket leaves a
# dead one.  Its successor can't know to which server that belonged, and kills
# the last one.
comes_back ()
{
    if is_dead; then
        wait "$server" 2>/dev/null || :
        start_server
    fi
    all_connected
}

still_there ()
{
    kill -0 "$kernel" 2>/dev/null || fail "$(cat "$tmp/kernel.log")"
}

start_server
"$bin/nbd-kernel" -s "$seed" "$tmp/kernel" "$NBDZRAM_ROOT" \
    >"$tmp/kernel.log" &
kernel=$!
servers+=("$kernel")
eventually [ -S "$tmp/kernel" ]
start_watcher
eventually all_connected || fail "not attached: $(cat "$tmp/watch.log")"
grep -q '"device":"/dev/nbd0"' "$XDG_RUNTIME_DIR/nbdzram/swap0.attach"

# Its queue has the settings for memory.
queue_is () { [ "$(cat "$queue/scheduler") $(cat "$queue/wbt_lat_usec")" = "$1" ]; }
queue_is 'none 0' || fail "$(cat "$queue"/*)"
echo "${timeout}000" >"$queue/io_timeout" # as the kernel does

# A second watcher is refused.
! "$bin/../fake/watch" swap0 --uri "$(uri swap)" 2>"$tmp/second" ||
    fail "two watchers"
grep -q 'another watcher of this name is running' "$tmp/second" || fail "$(cat "$tmp/second")"

for ((round = 0; round < rounds; round++)); do
    sleep "0.$((RANDOM % 9 + 1))"
    what=$((RANDOM % 6))
    case $what in
        0|1) harm=KILL ;;
        2) harm=STOP ;;
        3) harm= ;;
        4) harm=KILL ;;
        5) harm=STOP ;;
    esac
    echo "round $round: ${harm:-nothing} $([ $what -lt 3 ] || echo resume)"
    if [ $what -ge 3 ]; then
        kill -9 "$watcher"
        wait "$watcher" 2>/dev/null || :
        # While there is no watcher, or afterwards.
        late=$((RANDOM % 2))
        [ ! "$harm" ] || [ $late = 1 ] || kill "-$harm" "$server"
        sleep "$((RANDOM % 2)).$((RANDOM % 9))"
        start_watcher
        [ ! "$harm" ] || [ $late = 0 ] || kill "-$harm" "$server"
    else
        kill "-$harm" "$server"
    fi
    # A stopped server is timed out by the kernel, and then killed by the
    # watcher.
    if [ "$harm" ]; then
        eventually is_dead || fail "a stopped server is not killed"
        wait "$server" 2>/dev/null || :
        start_server
    fi
    eventually comes_back || fail "not connected again: $(
        tail -n 5 "$tmp/watch.log")"
    [ ! "$harm" ] || eventually all_taken ||
        fail "not all again: $(tail -n 5 "$tmp/watch.log")"
    still_there
done

# Each socket is known again, and a new watcher has nothing to do.  Where
# readers can't be seen, each socket takes a second.
is_steady ()
{
    local reconnects

    reconnects=$(field reconnects)
    sleep 2
    [ "$(field reconnects)" = "$reconnects" ]
}
eventually is_steady || fail "it goes on reconnecting"

# Another disk in place of it is not connected.
kill -9 "$server"
wait "$server" 2>/dev/null || :
start_nbdkit swap memory 16M
other=$pid
eventually grep -q 'has another export size: 16777216, not 8388608' \
    "$tmp/watch.log" || fail "$(tail -n 3 "$tmp/watch.log")"
stop_nbdkit "$other" KILL
start_nbdkit swap zram 8M name=swap0
other=$pid
eventually grep -q 'has lost the pages of /dev/nbd0' "$tmp/watch.log" ||
    fail "$(tail -n 3 "$tmp/watch.log")"
stop_nbdkit "$other" KILL
start_server
eventually all_connected
still_there

# The directory is removed: the file is created again.  While the directory
# can't be used, a killed watcher can have one successor, and no second one.
attach=$XDG_RUNTIME_DIR/nbdzram/swap0.attach
is_attached () { grep -qs '"device":"/dev/nbd0"' "$attach"; }
rm -r "$XDG_RUNTIME_DIR/nbdzram"
eventually is_attached || fail "$(tail -n 3 "$tmp/watch.log")"
rm -r "$XDG_RUNTIME_DIR/nbdzram"
touch "$XDG_RUNTIME_DIR/nbdzram"
kill -9 "$watcher"
wait "$watcher" 2>/dev/null || :
went=$(grep -c 'continues with' "$tmp/watch.log" || :)
start_watcher
goes_on () { [ "$(grep -c 'continues with' "$tmp/watch.log")" -gt "$went" ]; }
eventually goes_on || fail "$(tail -n 3 "$tmp/watch.log")"
! timeout 60 "$bin/../fake/watch" swap0 --uri "$(uri swap)" 2>"$tmp/second" ||
    fail "two watchers"
grep -q 'another watcher of this name is running' "$tmp/second" || fail "$(cat "$tmp/second")"
kill -9 "$server"
wait "$server" 2>/dev/null || :
rm "$XDG_RUNTIME_DIR/nbdzram"
start_server
eventually comes_back || fail "not connected again: $(
    tail -n 5 "$tmp/watch.log")"
eventually is_attached || fail "$(tail -n 3 "$tmp/watch.log")"
still_there

# The device is in use as swap, and later not.
mkdir -p "$NBDZRAM_ROOT/proc"
echo '/dev/nbd0 partition 8192 100 5' >"$NBDZRAM_ROOT/proc/swaps"

# A successor that can't read the owner of the device attaches no other one,
# and keeps the record.
kill -9 "$watcher"
wait "$watcher" 2>/dev/null || :
mv "$NBDZRAM_ROOT/sys/block/nbd0" "$tmp/unread"
code=0
timeout 60 "$bin/../fake/watch" swap0 --uri "$(uri swap)" 2>"$tmp/blind" ||
    code=$?
[ $code = 1 ] && grep -q 'in use as swap, but does not seem to be connected' "$tmp/blind" ||
    fail "$code: $(cat "$tmp/blind")"
grep -q '"device":"/dev/nbd0"' "$XDG_RUNTIME_DIR/nbdzram/swap0.attach"
mv "$tmp/unread" "$NBDZRAM_ROOT/sys/block/nbd0"
went=$(grep -c 'continues with' "$tmp/watch.log" || :)
start_watcher
goes_on () { [ "$(grep -c 'continues with' "$tmp/watch.log")" -gt "$went" ]; }
eventually goes_on || fail "$(tail -n 3 "$tmp/watch.log")"
kill "$watcher"
eventually grep -q 'is in use as swap: run nbdzram swapoff swap0' \
    "$tmp/watch.log" || fail "$(tail -n 3 "$tmp/watch.log")"
kill -0 "$watcher" || fail 'it ended while the device is in use as swap'
rm "$NBDZRAM_ROOT/proc/swaps"
kill "$watcher"
wait "$watcher" || fail "it ends with $?"
wait "$kernel" || fail "$(cat "$tmp/kernel.log")"
cat "$tmp/kernel.log"
[ ! -e "$XDG_RUNTIME_DIR/nbdzram/swap0.attach" ] || fail 'its file is left'
# The former values were lost with the file, so the device gets the kernel's
# default timeout.
[ "$(cat "$queue/io_timeout")" = 30000 ] || fail "$(cat "$queue"/*)"
stop_nbdkit "$server"

# ---- blocks ----

start_fake_kernel ()
{
    rm -f "$FAKE_KERNEL" "$tmp/blocks.log"
    "$bin/nbd-kernel" -s "$seed" "$FAKE_KERNEL" "$NBDZRAM_ROOT" \
        >"$tmp/kernel.log" &
    kernel=$!
    servers+=("$kernel")
    eventually [ -S "$FAKE_KERNEL" ]
}

# attaches BLOCK SIZE OPTION -- ARGS...: for a server with ARGS, a watcher with
# OPTION connects a device of SIZE bytes with blocks of BLOCK bytes.
attaches ()
{
    local block=$1 size=$2 option=$3
    shift 4

    start_nbdkit b "$@"
    start_fake_kernel
    "$bin/../fake/watch" swap0 --uri "$(uri b)" $option 2>"$tmp/blocks.log" &
    watcher=$!
    servers+=("$watcher")
    eventually grep -qs "is attached to" "$tmp/blocks.log" ||
        fail "$(cat "$tmp/blocks.log")"
    [ "$(field block_size)" = "$block" ] && [ "$(field size)" = "$size" ] ||
        fail "$option: $(cat "$XDG_RUNTIME_DIR/nbdzram/swap0.attach")"
    kill "$watcher"
    wait "$watcher" || fail "it ends with $?"
    wait "$kernel" || fail "$(cat "$tmp/kernel.log")"
    stop_nbdkit "$pid"
}
odd=$((1024 * 1024 + 3 * 512 + 100))
attaches 4096 1048576 '' -- zram $odd
attaches 512 $((odd - 100)) --block-size=512 -- zram $odd
attaches 1024 $((odd - 612)) --block-size=1K -- zram $odd
if (requires_filter blocksize-policy); then
    attaches 4096 1048576 --block-size=512 -- \
        --filter=blocksize-policy zram $odd blocksize-minimum=4096
    start_nbdkit b --filter=blocksize-policy zram 1M \
        blocksize-minimum=64K blocksize-preferred=64K
    start_fake_kernel
    ! "$bin/../fake/watch" swap0 --uri "$(uri b)" 2>"$tmp/blocks.log" ||
        fail "blocks of 64K"
    grep -q 'only blocks that are larger than a page' "$tmp/blocks.log" ||
        fail "$(cat "$tmp/blocks.log")"
fi
