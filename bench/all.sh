#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All benchmarks, in some ten to fifteen minutes, to the standard output and to
# a file.
#   all.sh DATA RESULTS
# DATA is made when it is not there.  Nothing fails on a slow machine:
# what is below its target is only said to be.
set -eo pipefail
here=$(dirname "$0")
data=$1
results=$2

machine () {
    echo "nbdzram benchmarks, $(date -u '+%F %H:%M') UTC"
    echo "$(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
         "Linux $(uname -r), $(nbdkit --version)"
    echo "load average at the start: $(cut -d' ' -f1-3 /proc/loadavg)"
}

everything () {
    machine
    "$here/make-pages.sh" "$data" 2>&1
    echo
    store --seconds=2 "$data"
    echo
    dedup
    echo
    dedup-store "$data"
    echo
    stall "$data"
    echo
    churn "$data" "${BACKING_DIR:-/var/tmp}"
    echo
    "$here/nbd.sh" "$data"
    echo
    "$here/nbdzramd.sh" "$data"
    echo
    "$here/tenants.sh" "$data"
    echo
    "$here/memory.sh" "$data"
    echo
    "$here/life.sh" "$data"
    echo
    "$here/backing.sh" "$data"
    echo
    backing-key "$data" /dev/shm
}

everything | tee "$results"
