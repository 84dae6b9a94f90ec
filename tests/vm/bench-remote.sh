#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The bench of remote memory, as far as a quick run goes: what it leaves is
# complete, what is wrong is refused.

set -eu -o pipefail
export LC_ALL=C
: "${srcdir:=.}" "${top_builddir:=.}"
run=$srcdir/bench/remote/run

for program in gnuplot python3 qemu-system-x86_64; do
    type -P $program >/dev/null || { echo "skip: no $program"; exit 77; }
done
[ -e "$top_builddir/tests/vm/image/remote.cpio" ] || {
    echo "skip: no image: make check-vm"
    exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
out=$tmp/out

fail () { echo "FAIL: $*"; exit 1; }

# ---- what makes no sense ----

# refused WHY OPTION...
refused ()
{
    local why=$1 status=0
    shift
    bash "$run" --build="$top_builddir" --output="$out" "$@" \
        >"$tmp/said" 2>&1 || status=$?
    [ $status = 2 ] || fail "$*: exit status $status"
    grep -q "$why" "$tmp/said" || { cat "$tmp/said"; fail "$*: not: $why"; }
    [ ! -e "$out/results.csv" ] || fail "$*: has begun"
}

refused 'no such option' --fast
refused 'from 5 to 100' --shares=50,101
refused "no 'floppy'" --backends=zram,floppy
refused 'nothing is in the list' --workloads=,
refused 'nothing is in the list' --delays=,
refused 'from 8 to' --footprint=1G
refused 'less than 2 MiB' --footprint=16 --shares=10
refused 'is no number' --zipf=much
refused 'no quotes' --server="algorithm='lz4'"

# ---- the workloads, here ----

for workload in "touch 8" "touch 8 zipf=0.99 passes=1" "sort 8 seed=7" \
                "database 8 queries=1000"; do
    program=$top_builddir/bench/remote/${workload%% *}
    [ -e "$program" ] || { echo "not built: $program"; continue; }
    # shellcheck disable=SC2086
    "$program" ${workload#* } >"$tmp/said" || fail "$workload"
    grep -q '^result .* wrong=0$' "$tmp/said" || fail "$workload: no result"
done
status=0
"$top_builddir/bench/remote/sort" 8 passes=2 2>"$tmp/said" || status=$?
[ $status = 2 ] || fail "sort takes what it does not know"

# ---- a run ----

bash "$run" --build="$top_builddir" --output="$out" --quick \
    --workloads=zipf --backends=zram,remote --delays=0 2>"$tmp/stderr" ||
    { cat "$tmp/stderr"; fail "the run"; }
# Which fonts there are is not its fault.
! grep -vi font "$tmp/stderr" || fail "it complained"

# column NAME: of all rows, without its head
column ()
{
    awk -F, -v name="$1" '
        NR == 1 { for (i = 1; i <= NF; ++i) if ($i == name) at = i; next }
        { print $at }' "$out/results.csv"
}

# is NAME VALUES: with those in the order of the rows
is () { [ "$(column "$1" | tr '\n' ' ')" = "$2 " ] ||
            fail "$1: $(column "$1"), not $2"; }

# All in memory, and half of it: by zram, then by nbdzram.
is workload "zipf zipf zipf zipf"
is backend "zram zram remote remote"
is delay_us "  0 0"
is share "100 50 100 50"
is verified "ok ok ok ok"
awk -F, 'NF != 22 { exit 1 }' "$out/results.csv" || fail "rows differ in length"

# numbers NAME CONDITION: on a (all in memory) and b (half of it), of each
# backend
numbers ()
{
    column "$1" | paste - - |
        awk "{ a = \$1 + 0; b = \$2 + 0; if (!($2)) exit 1 }" ||
        fail "$1: $(column "$1"): not $2"
}

numbers seconds 'a > 0 && b > 0'
numbers major_faults 'a == 0 && b > 100'
numbers pswpin 'a == 0 && b > 100'
numbers pswpout 'b > 100'
numbers p50_us 'a == 0 && b > 1'
numbers swap_bytes 'a == 0 && b > 2e6'
numbers far_bytes 'b - a > 5e5 && b < 8e6'
numbers footprint_bytes 'a == b && a > 8 * 2^20 && a < 12 * 2^20'
numbers local_bytes 'b > .49 * a && b <= .5 * a'

# Page-ins were seen where they happen: one by one.
seen ()
{
    awk -F, -v backend="$1" '$2 == backend { n += $7 } END { print n + 0 }' \
        "$out/latency.csv"
}
for backend in zram remote; do
    faults=$(awk -F, -v backend=$backend '$2 == backend { n += $10 }
        END { print n }' "$out/results.csv")
    [ "$(seen $backend)" -gt $((faults * 9 / 10)) ] &&
        [ "$(seen $backend)" -le "$faults" ] ||
        fail "$backend: $faults faults, $(seen $backend) in latency.csv"
done

# ---- table and plots ----

[ "$(grep -c ' %' "$out/table.txt")" = 4 ] || fail "table.txt"
for plot in time latency memory; do
    python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' \
        "$out/$plot-zipf.svg" || fail "$plot-zipf.svg is no XML"
    grep -q 'remote + 0 us' "$out/$plot-zipf.svg" ||
        fail "$plot-zipf.svg: no remote"
    head -c 8 "$out/$plot-zipf.png" | grep -q PNG || fail "$plot-zipf.png"
done

# What is there is not written over.
status=0
bash "$run" --build="$top_builddir" --output="$out" --quick \
    >"$tmp/said" 2>&1 || status=$?
[ $status = 2 ] && grep -q 'there already' "$tmp/said" ||
    { cat "$tmp/said"; fail "it would write over results"; }
