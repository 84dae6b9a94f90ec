#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random requests agree with an oracle, whatever the algorithm.
. "${srcdir:-.}/tests/lib/functions.sh"

batches=${quick:+30}
batches=${batches:-1500}
for a in lz4 lz4:level=20 lzo zstd zstd:level=-5 deflate; do
    requires_algorithm "${a%%:*}" || continue
    model 6295553 algorithm="$a"
done
batches=${quick:+20}
batches=${batches:-400}
model 6295553 algorithm=lz4hc
