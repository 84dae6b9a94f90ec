#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random requests to a disk in a pool file agree with an oracle, and
# still do after the server was killed and another has taken over.
. "${srcdir:-.}/tests/lib/functions.sh"

reattach ()
{
    stop_nbdkit "$zram" KILL
    start_nbdkit zram zram "$@" pool="$pool"
    zram=$pid
    "$bin/nbd-model" -c "$(uri zram)" "$(uri oracle)" ||
        fail "after the kill: SEED=$seed"
    "$bin/nbd-model" -s "$seed" -n 100 -T "$(uri zram)" "$(uri oracle)" ||
        fail "after the kill: SEED=$seed"
}

batches=${quick:+30}
batches=${batches:-800}
after_model=reattach
for options in page-size=4K page-size=16K "page-size=64K checksum=off"; do
    new_pool
    # shellcheck disable=SC2086
    model 6295553 $options pool="$pool"
done
