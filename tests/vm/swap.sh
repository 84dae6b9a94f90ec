#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Swap by one command: memory of 1.6 times the machine's is used and every
# byte verified, as often as runs=N says, and everything is as it was after
# swapoff.
. "${srcdir:-.}/tests/vm/host.sh"
boot $((900 + 300 * ${NBDZRAM_VM_RUNS:-1})) 320M
#### guest ####
for key in page-cluster swappiness min_free_kbytes; do
    cat /proc/sys/vm/$key
done >/tmp/before
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
for key in page-cluster swappiness min_free_kbytes; do
    cat /proc/sys/vm/$key
done | diff /tmp/before - || fail "settings are not what they were"
kernel_is_well
