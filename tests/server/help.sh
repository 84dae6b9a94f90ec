#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --help, the manual and --dump-plugin agree with what the plugin knows.
. "${srcdir:-.}/tests/lib/functions.sh"

nbdkit_zram --dump-plugin zram >"$tmp/dump"
grep -qx 'name=zram' "$tmp/dump"
grep -qx 'zram_lz4=yes' "$tmp/dump"
grep -qx 'zram_max_size=1125899906842624' "$tmp/dump"
grep -qx 'magic_config_key=size' "$tmp/dump"

nbdkit_zram zram --help >"$tmp/help"
sed -n -E 's/^\[?([a-z-]+)=.*/\1/p' "$tmp/help" | sort -u >"$tmp/keys"
for key in size algorithm recompress mem-limit page-size checksum dedup pool \
        name control; do
    grep -qx "$key" "$tmp/keys" || fail "--help does not know $key"
done

# What --help lists is known: no complaint about the key itself.
while read -r key; do
    nbdkit_zram -U - zram "$key=" --run true 2>&1 |
        grep "unknown parameter '$key'" && fail "--help lists $key"
done <"$tmp/keys"

pod=$srcdir/man/nbdkit-zram-plugin.pod
[ -e "$pod" ] || skip "the manual is not there"
sed -n -E 's/^=item (\[?B<)?([a-z-]+)=.*/\2/p' "$pod" | sort -u >"$tmp/items"
diff "$tmp/keys" "$tmp/items" || fail "--help (<) and the manual (>) differ"
