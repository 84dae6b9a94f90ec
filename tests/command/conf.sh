#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The keys of NAME.conf are the plugin's parameters, and the manual and the
# examples know them.
. "${srcdir:-.}/tests/lib/functions.sh"

show ()
{
    "$bin/conf-show" "$@"
}

show --keys >"$tmp/keys"
sed -n 's/^plugin //p' "$tmp/keys" | sort >"$tmp/plugin"
sed -n 's/^own //p' "$tmp/keys" | sort >"$tmp/own"

# Each parameter of the plugin is a key, but for those that say where the
# server is, which follow from the name of the file.
nbdkit_zram zram --help |
    sed -n -E 's/^\[?([a-z-]+)=.*/\1/p' | sort -u >"$tmp/parameters"
[ "$(wc -l <"$tmp/parameters")" -ge 15 ] || fail "$(cat "$tmp/parameters")"
sort -u "$tmp/plugin" <(printf '%s\n' size pool name control) |
    diff - "$tmp/parameters" ||
    fail "keys (<) and the plugin's parameters (>) differ"
for key in size pool; do
    grep -qx "$key" "$tmp/own" || fail "$key is no key"
done
for key in name control; do
    echo "$key = x" >"$tmp/a.conf"
    ! show "$tmp/a.conf" 2>"$tmp/error" || fail "$key is taken"
    grep -q "^$tmp/a.conf:1: $key: follows from" "$tmp/error"
done

# What it makes of values, the plugin takes.
cat >"$tmp/a.conf" <<'END'
size = min(ram / 2, 100M)      # and no more
mem-limit = 100M / 2
page-size = 4 * 1K
dedup-index = 2.5M
writeback-watermark = 70 %     # blanks are no part of a number
END
! show "$tmp/a.conf" 2>"$tmp/error" || fail "'70 %' is taken"
grep -q "^$tmp/a.conf:5: writeback-watermark: '70 %' is not" "$tmp/error"
sed -i 's/70 %.*/70%/' "$tmp/a.conf"
show "$tmp/a.conf" >"$tmp/shown"
for line in 'size = 104857600' 'mem-limit = 52428800' 'page-size = 4096' \
        'dedup-index = 2621440' 'writeback-watermark = 70'; do
    grep -qx "$line" "$tmp/shown" || fail "no '$line' in $(cat "$tmp/shown")"
done
mapfile -t words < <(grep -x -f <(sed 's/$/ = .*/' "$tmp/plugin") \
                          "$tmp/shown" | sed 's/ = /=/')
[ ${#words[@]} = 4 ] || fail "${words[*]}"
start_nbdkit words zram size=100M "${words[@]}"
stop_nbdkit "$pid"

# "ram" is this machine's.
ram=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) * 1024))
echo "size = ram" >"$tmp/a.conf"
show --swap "$tmp/a.conf" | grep -qx "size = $((ram / 4096 * 4096))" ||
    fail "ram is not $ram: $(show "$tmp/a.conf")"
echo "size = ram * 17" >"$tmp/a.conf"
show "$tmp/a.conf" >/dev/null
! show --swap "$tmp/a.conf" 2>"$tmp/error" || fail "17 times the memory"
grep -q '^size: .* of swap is more than 16 times' "$tmp/error"

# What zram-generator has as its default counts in megabytes there.
for size in 'min(ram / 2, 4096)' 4096 '1M - 1' 0; do
    echo "size = $size" >"$tmp/a.conf"
    ! show "$tmp/a.conf" 2>"$tmp/error" || fail "size = $size is taken"
    grep -q 'size: .* bytes, and must be from 1M to 1P; a number without' \
        "$tmp/error" || fail "$(cat "$tmp/error")"
done

# Examples, and what is commented out in them.
for example in swap0 zram0; do
    from=$srcdir/doc/$example.conf
    swap=()
    [ $example != swap0 ] || swap=(--swap)
    show "${swap[@]}" "$from" >"$tmp/shown"
    # A key behind a "#" has no blank between.
    sed 's/^#\([a-z]\)/\1/' "$from" >"$tmp/a.conf"
    ! cmp -s "$from" "$tmp/a.conf" || fail "$from: nothing is left out"
    show "${swap[@]}" "$tmp/a.conf" >"$tmp/more"
    [ "$(wc -l <"$tmp/more")" -gt "$(wc -l <"$tmp/shown")" ] ||
        fail "$from: what is left out says nothing"
done

# ---- the manual ----

pod=$srcdir/man/nbdzram.conf.pod
[ -e "$pod" ] || skip "the manual is not there"
sed -n -E 's/^=item B<([a-z-]+)> =.*/\1/p' "$pod" | sort >"$tmp/items"
cut -d ' ' -f 2 "$tmp/keys" | sort | diff - "$tmp/items" ||
    fail "keys (<) and the manual (>) differ"
# Its examples are the indented lines with a key.
sed -n -E 's/^ ([a-z-]+ = .*)/\1/p' "$pod" >"$tmp/lines"
[ "$(wc -l <"$tmp/lines")" -ge 8 ] || fail "$(cat "$tmp/lines")"
while read -r line; do
    printf 'size = 1G\nbacking = /x\n' >"$tmp/a.conf"
    key=${line%% *}
    sed -i "/^$key /d" "$tmp/a.conf"
    [ "$key" != remote ] || : >"$tmp/a.conf"
    echo "$line" >>"$tmp/a.conf"
    show "$tmp/a.conf" >/dev/null || fail "the manual's example: $line"
done <"$tmp/lines"
