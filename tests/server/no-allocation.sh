#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Once a server of swap has served a while, its threads ask the system for
# no memory: no call that allocates, no page fault, for thousands of
# requests.
. "${srcdir:-.}/tests/lib/functions.sh"

requires jq
[ -x "$bin/nbd-churn" ] || skip "built without libnbd"
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "a sanitizer allocates as it likes"
nbdkit_zram -U - zram 1M mlock=on --run true 2>/dev/null ||
    skip "memory can't be locked here"

shim=$bin/count-calls.so
[ -e "$shim" ] || fail "$shim is not there"
truncate -s 4096 "$tmp/count"
export NBDZRAM_COUNT=$tmp/count

# Each thread that serves, and how often memory had to be found for it.
faults ()
{
    local task

    for task in "/proc/$pid/task/"*; do
        case $(cat "$task/comm") in
            zram-*) ;;
            *) sed -E 's/^.*\) //' "$task/stat" |
                   awk -v tid="${task##*/}" '{ print tid, $8, $10 }' ;;
        esac
    done
}

calls () { od -An -N8 -tu8 "$NBDZRAM_COUNT" | tr -d ' '; }
misses () { nbdzram status --json | jq '.. | .hardening?.reserve.misses | numbers'; }

# settled: the reserve's thread has caught up.
settled () { [ "$(nbdzram status --json | jq '.. | .hardening?.reserve | select(.) | .now >= .size / 2')" = true ]; }

# churn REQUESTS ALGORITHM PARAMETER...: with that set after the first of them,
# unless it is "".
churn ()
{
    local requests=$1 algorithm=$2 a b c d line
    shift 2

    echo "$requests requests, $* $algorithm (SEED=$seed)"
    NBDZRAM_PRELOAD=$shim start_nbdkit zram -t 2 zram 64M mlock=on \
        reserve=32M "$@"
    coproc "$bin/nbd-churn" "$requests" 2 "$(uri zram)" "$seed"
    # bash forgets its descriptors when it ends.
    exec 8<&"${COPROC[0]}"- 9>&"${COPROC[1]}"-
    read -r line <&8
    [ "$(calls)" -gt 0 ] || fail "nothing is counted"
    [ ! "$algorithm" ] ||
        nbdzram set algorithm="$algorithm" policy=off >"$tmp/set"
    eventually settled || fail "the reserve is not filled"
    a=$(calls) b=$(faults) c=$(misses)
    for d in 1 2 3; do
        echo go >&9
        read -r line <&8
        eventually settled || fail "the reserve is not filled"
    done
    echo "$line"
    [ "$(misses)" = "$c" ] || fail "the reserve was missed"
    [ "$(calls)" = "$a" ] || fail "$(($(calls) - a)) calls for memory"
    diff <(echo "$b") <(faults) || fail "page faults: thread, minor, major"
    exec 8<&- 9>&-
    stop_nbdkit "$pid"
}

requests=20000
[ ! "$quick" ] || requests=4000
churn $requests ""
for algorithm in lzo zstd; do
    if requires_algorithm $algorithm; then
        churn $((requests / 4)) "" algorithm=$algorithm
    fi
done

# One of the export's own; and one that comes while the server runs, which is
# made ready by who brings it.
churn $((requests / 4)) "" export=:algorithm=lz4hc
churn $((requests / 4)) lz4hc
if requires_algorithm zstd; then
    churn $((requests / 4)) zstd:level=3 export=other:size=1M:algorithm=zstd
fi
