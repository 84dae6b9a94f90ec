#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tmpfs that runs full is ENOSPC to the client; the server lives on, and
# its disk with it.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdcopy qemu-io perl
private_mounts
mount_tmpfs 8M

head -c 16M /dev/urandom >"$tmp/a"
head -c 16M /dev/zero >"$tmp/zero"
for options in page-size=4K page-size=64K; do
    pool=$mnt/pool
    # shellcheck disable=SC2086
    start_nbdkit zram zram 16M pool="$pool" $options
    fill_up "$(uri zram)" "$tmp/a"
    nbdcopy "$(uri zram)" "$tmp/first"
    pages=$(pages_are "$tmp/first" "$tmp/zero" "$tmp/a")
    [ "$pages" -gt 1500 ] || fail "only $pages pages in 8 MiB"
    # Another takes the last bit.
    cat /dev/zero >"$mnt/other" 2>/dev/null || :
    nbdcopy "$(uri zram)" - | cmp - "$tmp/first"
    # Writes fail or not, and are whole; trims don't fail.
    io "$(uri zram)" "write -s $tmp/a 8M 64k" 2>/dev/null || :
    io "$(uri zram)" "discard 1M 1M" "read -P 0 1M 1M" \
        "write -s $tmp/zero 1M 64k"
    kill -0 "$pid" || fail "the server died"
    # ... also for the next server.
    nbdcopy "$(uri zram)" "$tmp/second"
    stop_nbdkit "$pid" KILL
    # shellcheck disable=SC2086
    start_nbdkit zram zram 16M pool="$pool" $options
    nbdcopy "$(uri zram)" - | cmp - "$tmp/second"
    io "$(uri zram)" "discard 0 16M"
    rm "$mnt/other"
    nbdcopy --synchronous --connections=1 "$tmp/a" "$(uri zram)" 2>/dev/null || :
    stop_nbdkit "$pid"
    rm "$pool"
done

# With all but a few pages taken a server is refused, or works as far as
# it goes.
for ((free = 0; free < 16; free++)); do
    rm -f "$mnt"/*
    fallocate -l $(((2048 - free) * 4096)) "$mnt/other"
    if nbdkit_zram -U - zram 1G pool="$mnt/pool" --run '
        qemu-io -f raw -c "write -P 1 512M 4k" "$uri"
        qemu-io -f raw -c "read -P 0 0 4k" "$uri" | grep ^read' \
        >"$tmp/out" 2>&1
    then
        grep -q '^read 4096' "$tmp/out" || fail "$free: $(cat "$tmp/out")"
    else
        [ ! -e "$mnt/pool" ] || fail "$free pages: a pool was left behind"
        [ "$(grep -c '^nbd.*error:' "$tmp/out")" = 1 ] ||
            fail "$free pages: $(cat "$tmp/out")"
    fi
    grep -i 'signal\|bus error' "$tmp/out" && fail "it crashed"
done
:
