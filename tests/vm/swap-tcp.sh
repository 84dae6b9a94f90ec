#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# As swap.sh, by TCP: a server that listens, and swap on what it serves.
. "${srcdir:-.}/tests/vm/host.sh"
boot $((900 + 300 * ${NBDZRAM_VM_RUNS:-1})) 320M
#### guest ####
nbdzram serve far --daemon --swap --size 500M --listen 127.0.0.1:10809 ||
    fail "serve"
nbdzram swapon swap0 --remote nbd://127.0.0.1:10809 || fail "swapon"
echo 3 >/proc/sys/vm/page-cluster
mib=$(footprint)
run=0
while [ $run -lt "${runs:-1}" ]; do
    run_pages $mib workers=2 rounds=${rounds:-0} seed=$((${seed:-200} + run))
    run=$((run + 1))
done
[ "$(vmstat_of pswpout)" -gt 20000 ] || fail "little was swapped"
nbdzram swapoff swap0 || fail "swapoff"
nbdzram stop far || fail "stop"
eventually nothing_left || { ps; fail "left over"; }
kernel_is_well
