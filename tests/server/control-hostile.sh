#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Slow, dead and hostile peers of the control socket disturb no request:
# the model agrees, the honest are answered, and nothing is left behind.
. "${srcdir:-.}/tests/lib/functions.sh"

requires python3 nbdcopy
requires_algorithm zstd || skip "built without zstd"

# What belongs to the server apart from its clients.
descriptors ()
{
    find "/proc/$1/fd" -mindepth 1 | wc -l
}
as_few_as_before ()
{
    [ "$(descriptors "$zram")" -le "$before" ]
}

echo "SEED=$seed"
[ -x "$bin/nbd-model" ] || skip "built without libnbd"
start_nbdkit oracle memory 6295553 allocator=sparse
start_nbdkit zram zram 6295553 recompress=zstd:level=3
zram=$pid
nbdzram status >/dev/null
before=$(descriptors "$zram")

mkfifo "$tmp/stop"
python3 "$srcdir/tests/lib/hostile.py" "$XDG_RUNTIME_DIR/nbdzram/zram0.ctl" \
    "$seed" <"$tmp/stop" &
hostile=$!
servers+=("$hostile")
exec 9>"$tmp/stop"
rounds=${quick:+30}
"$bin/nbd-model" -s "$seed" -n "${rounds:-4000}" "$(uri zram)" "$(uri oracle)" ||
    fail "the model: SEED=$seed"
echo end >&9
exec 9>&-
wait "$hostile" || fail "the peers: SEED=$seed"

"$bin/nbd-model" -c "$(uri zram)" "$(uri oracle)" || fail "SEED=$seed"
eventually as_few_as_before ||
    fail "$(descriptors "$zram") descriptors, $before before"
# Sixteen peers and their replies are little.
[ "${NBDZRAM_PRELOAD:-}" ] ||
    [ "$(status_kib "$zram" VmRSS)" -lt $((160 * 1024)) ] ||
    fail "$(status_kib "$zram" VmRSS) KiB"

# At the end nobody is waited for: neither those who are silent, nor one
# who has ordered work.
mkfifo "$tmp/hold"
for i in 1 2 3; do
    socat "UNIX-CONNECT:$XDG_RUNTIME_DIR/nbdzram/zram0.ctl" - <"$tmp/hold" \
        >/dev/null 2>&1 &
    servers+=("$!")
done
exec 9>"$tmp/hold"
echo '{"verb": "compact"}' >&9
stop_nbdkit "$zram"
exec 9>&-
