#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Swap by one command: memory of 1.6 times the machine's is used and every
# byte verified, as often as runs=N says, and everything is as it was after
# swapoff.
. "${srcdir:-.}/tests/vm/host.sh"
boot $((900 + 300 * ${NBDZRAM_VM_RUNS:-1})) 320M
#### guest ####
settings ()
{
    local key
    for key in page-cluster swappiness min_free_kbytes; do
        cat /proc/sys/vm/$key
    done
}
settings >/tmp/before
nothing_is_changed ()
{
    settings | diff /tmp/before - || fail "settings are not what they were"
}
# What --run starts is not protected as the server is: field 9 has the flags,
# PF_MEMALLOC_NOIO among them, 41 the scheduling policy.
show_itself='echo $(cat /proc/self/oom_score_adj; cut -d" " -f 9,41 /proc/self/stat)'
echo 7 >/proc/self/oom_score_adj
nbdzramd -U /run/try.sock 1M control=off mlock=on --run \
    "$show_itself; sed 's/.*) //' /proc/\$PPID/stat | cut -d' ' -f 7,39
     cat /proc/\$PPID/oom_score_adj" >/tmp/run || fail "--run: $(cat /tmp/run)"
echo 0 >/proc/self/oom_score_adj
{ read score flags policy; read server_flags server_policy; read server_score
} </tmp/run
say "--run: $score $flags $policy, server: $server_score $server_flags $server_policy"
[ "$score $policy $((flags & 0x80000))" = "7 0 0" ] || fail "--run"
[ "$server_score $server_policy $((server_flags & 0x80000))" = \
    "-1000 1 $((0x80000))" ] || fail "the server is not hardened"

say "what swapon chooses by itself"
nbdzram swapon >/tmp/swapon.log 2>&1 || { cat /tmp/swapon.log; fail "swapon"; }
cat /tmp/swapon.log
limit=$(pool_number mem_limit)
disk=$(nbdzram status --bytes --noheadings --raw -o DISKSIZE swap0)
[ $((limit / 1048576)) = $(($(meminfo MemTotal) / 4096)) ] ||
    fail "the limit is $limit"
[ "$disk" = $((limit * 6)) ] || fail "the disk has $disk"
[ "$(areas_on)" = 3 ] || fail "$(cat /proc/swaps)"
run_pages $((ram / 1024)) workers=2 rounds=0
[ "$(vmstat_of pswpout)" -gt 5000 ] || fail "little was swapped"
swap_off
nothing_is_changed

swap_on 500M
cat /tmp/swapon.log
nbdzram check swap0 || fail "check"
nbdzram status swap0
mib=$(footprint)
run=0
while [ $run -lt "${runs:-1}" ]; do
    run_pages $mib workers=2 rounds=${rounds:-0} seed=$((${seed:-100} + run))
    run=$((run + 1))
done
[ "$(vmstat_of pswpout)" -gt 20000 ] || fail "little was swapped"
nbdzram status swap0
swap_off
cat /tmp/swapoff.log
nothing_is_changed
kernel_is_well
