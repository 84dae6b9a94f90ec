#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Run each target under libFuzzer for FUZZ_SECONDS, with SEED if it is set.
# The corpus is deleted; an input that makes a target fail is printed.

set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for target in attach connection decompress expression; do
    mkdir "$tmp/$target"
    "${top_builddir:-.}/tests/fuzz/libfuzz-$target" \
        -max_total_time="${FUZZ_SECONDS:-45}" -seed="${SEED:-0}" \
        -print_final_stats=1 -artifact_prefix="$tmp/found-" "$tmp/$target" || {
        for f in "$tmp"/found-*; do
            echo "${f##*/} (base64):"
            base64 "$f"
        done
        exit 1
    }
done
