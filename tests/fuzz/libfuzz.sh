#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Let libFuzzer loose on each target for FUZZ_SECONDS, from SEED if it is
# set.  What it found worth keeping is thrown away; what makes a target
# fail is printed.

set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for target in attach decompress; do
    mkdir "$tmp/$target"
    "${top_builddir:-.}/tests/libfuzz-$target" \
        -max_total_time="${FUZZ_SECONDS:-45}" -seed="${SEED:-0}" \
        -print_final_stats=1 -artifact_prefix="$tmp/found-" "$tmp/$target" || {
        for f in "$tmp"/found-*; do
            echo "${f##*/} (base64):"
            base64 "$f"
        done
        exit 1
    }
done
