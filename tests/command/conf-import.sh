#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Files of zram-generator become settings that mean the same, and a comment
# tells what does not.  Most input is from its own documentation and tests.
. "${srcdir:-.}/tests/lib/functions.sh"

export NBDZRAM_CONF_DIR=/etc/nbdzram
file=$tmp/in.conf
ram=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) / 1024))

# imports ARGS...: what is printed is in $tmp/out, and each file of it is read.
imports ()
{
    nbdzram conf import "$@" >"$tmp/out" || fail "import $* failed"
    rm -f "$tmp"/part.*
    awk -v "part=$tmp/part." '/^# .*, from \[zram/ { n++ }
        { print > (part n) }' "$tmp/out"
    local part
    for part in "$tmp"/part.*; do
        ! grep -q '^size = ' "$part" || "$bin/conf-show" "$part" >/dev/null ||
            fail "can't be read: $(cat "$part")"
    done
}

# prints LINE...: these settings, in this order, and no others.
prints ()
{
    printf '%s\n' "$@" >"$tmp/wanted"
    grep '^[^#]' "$tmp/out" | diff "$tmp/wanted" - ||
        fail "settings (>) are not those wanted (<) for: $(cat "$file")"
}

# tells TEXT...: each is in a comment, however its lines are broken.
tells ()
{
    local text
    sed -n 's/^# *//p' "$tmp/out" | tr '\n' ' ' >"$tmp/comments"
    for text in "$@"; do
        grep -qF -- "$text" "$tmp/comments" ||
            fail "no '$text' in $(cat "$tmp/out")"
    done
}

# refuses ERROR ARGS...: with a message that begins so.
refuses ()
{
    local error=$1 code=0
    shift
    nbdzram conf import "$@" >"$tmp/out" 2>"$tmp/error" || code=$?
    [ $code = 1 ] && [ ! -s "$tmp/out" ] || fail "$code: $(cat "$file")"
    [[ $(cat "$tmp/error") = "nbdzram: $error"* ]] ||
        fail "'$(cat "$tmp/error")', not '$error'"
}

# becomes THEIRS OURS: one line of a section.
becomes ()
{
    printf '[zram0]\n%s\n' "$1" >"$file"
    imports "$file"
    prints "$2"
}

# ---- the documented examples ----

# Whole, as it is printed: zram-generator.conf.example.
cat >"$file" <<'END1'
set!maxhotplug = xenstore-read /local/domain/$(xenstore-read domid)/memory/hotplug-max

[zram0]
host-memory-limit = 9048
zram-size = min(ram / 10, 2048)
zram-resident-limit = maxhotplug * 3/4
compression-algorithm = lzo-rle zstd(level=3) (type=idle)
options =
writeback-device = /dev/zvol/tarta-zoot/swap-writeback

[zram1]
# host-memory-limit is not specified
zram-size = ram / 10
fs-type = ext2
mount-point = /run/compressed-mount-point
END1
lzo=() zstd=()
! requires_algorithm lzo || lzo=("algorithm = lzo")
! requires_algorithm zstd || zstd=("recompress = zstd:level=3")
imports "$file"
prints 'size = min(ram / 10, 2G)' ${lzo[@]+"${lzo[@]}"} \
    ${zstd[@]+"${zstd[@]}"} 'backing = /dev/zvol/tarta-zoot/swap-writeback' \
    'size = ram / 10' 'mount-point = /run/compressed-mount-point'
if [ "${lzo:-}" ] && [ "${zstd:-}" ]; then
    (cd "$tmp" && nbdzram conf import in.conf) | diff - <(cat <<'END1'
# /etc/nbdzram/zram0.conf, from [zram0] of zram-generator
# in.conf:1: the program that sets maxhotplug is not run.

# Left out: host-memory-limit = 9048. To have no such device on a machine
# with more memory, let 'systemctl edit nbdzram-swap@zram0' add these lines
# to the unit:
#   [Unit]
#   ConditionMemory=<=9048M
size = min(ram / 10, 2G)
# Left out: zram-resident-limit = maxhotplug * 3/4, since maxhotplug is not
# known: a program sets it there. Add mem-limit = SIZE.
# lzo-rle is lzo here.
algorithm = lzo
recompress = zstd:level=3
# There, pages are recompressed when a program asks for it. Here, the server
# recompresses what is idle for recompress-age; with policy = off, only
# 'nbdzram recompress' does.
# Left out: (type=idle). 'nbdzram recompress' has options to choose pages.
backing = /dev/zvol/tarta-zoot/swap-writeback
# There, pages are written back when a program asks for it. Here, the server
# writes back what is idle for long (writeback-age, writeback-watermark);
# with policy = off, only 'nbdzram writeback' does. The device must begin
# with 1M of zeroes.
# Left out: options without discard. Swap always has it here, so that freed
# pages take no memory.

# /etc/nbdzram/zram1.conf, from [zram1] of zram-generator
# in.conf:1: the program that sets maxhotplug is not run.

size = ram / 10
# Without compression-algorithm, the kernel chooses one. The default is lz4
# here.
mount-point = /run/compressed-mount-point
# ext2 is ext4 without a journal here.
# This is for 'nbdzram mount zram1' and for nbdzram-mount@zram1.service.
END1
    ) || fail "the whole output (<) is another one"
fi
imports --section=zram1 "$file"
prints 'size = ram / 10' 'mount-point = /run/compressed-mount-point'
refuses 'there is no section [zram2]' -s zram2 "$file"

# The README: a section without settings is a device, too.
echo '[zram0]' >"$file"
imports "$file"
prints 'size = min(ram / 2, 4G)'
printf '[zram1]\nmount-point = /var/compressed\n' >"$file"
imports "$file"
prints 'size = min(ram / 2, 4G)' 'mount-point = /var/compressed'
printf '[zram1]\nmount-point = /t\noptions = X-mount.mode=1777\n' >"$file"
imports "$file"
prints 'size = min(ram / 2, 4G)' 'mount-point = /t' \
    'mount-options = X-mount.mode=1777'
tells "'nbdzram mount' always adds discard"

# Its tests.
cat >"$file" <<'END1'
set!top = echo 3
set!bottom = echo 4
set!ratio = ! echo top / bottom

[zram0]
compression-algorithm = lz4
host-memory-limit = 2050
zram-resident-limit = 9999
zram-size = ram * ratio
END1
imports "$file"
prints 'mem-limit = 9999M' 'algorithm = lz4'
tells 'zram-size = ram * ratio, since ratio is not known' 'Add size = SIZE' \
    'ConditionMemory=<=2050M' ':3: the program that sets ratio is not run' \
    'mem-limit counts all memory that is held'
cat >"$file" <<'END1'
[zram12]
mount-point = /var/folded
fs-type = ext4
options = discard,casefold
[zram14]
mount-point = /.żupan-ci3pły
fs-type = ext4
[zram16]
fs-type = ext2
options =
[zram17]
fs-type = f2fs
mount-point = /var/flash
END1
imports "$file"
size='size = min(ram / 2, 4G)'
prints "$size" 'mount-point = /var/folded' 'fs-type = ext4' \
    'mount-options = casefold' "$size" 'mount-point = /.żupan-ci3pły' \
    'fs-type = ext4' "$size" 'attach-only = on' "$size" 'attach-only = on'
tells '/etc/nbdzram/zram12.conf' 'Left out: fs-type = ext2. ' \
    'mkfs.f2fs DEVICE mount -o discard DEVICE /var/flash'
cat >"$file" <<'END1'
[zram0]
zram-fraction = 0.10
max-zram-size = 2048
memory-limit = 100000

[zram1]
host-memory-limit = 2
[zram1]
zram-fraction = 0.10
max-zram-size = none
memory-limit = none

[zram2]
zram-size = 1
max-zram-size = 2048
END1
imports "$file"
prints 'size = min(ram * 0.1, 2G)' 'size = ram * 0.1' \
    'size = min(ram * 0.5, 2G)'
tells 'ConditionMemory=<=100000M' 'Left out: zram-size = 1, since'
! grep -q '=2M' "$tmp/out" || fail "none does not override a limit"

becomes 'zram-fraction = 0.75' 'size = ram * 0.75'
tells 'max-zram-size of 4096 by default, but the program has none'

# ---- directories ----

root=$tmp/root
for dir in usr/lib usr/local/lib etc run; do
    mkdir -p "$root/$dir/systemd/zram-generator.conf.d"
done
cd "$root"
echo '[zram0]' >usr/lib/systemd/zram-generator.conf
(
    cd usr/lib/systemd/zram-generator.conf.d
    printf '[zram0]\nhost-memory-limit=1234\n' >01-drop1.conf
    printf '[zram0]\nhost-memory-limit=1235\n' >02-drop2.conf
    printf '[zram0]\nhost-memory-limit=1236\n[zram1]\n' >03-drop3.conf
    printf '[zram7]\n' >.hidden.conf
    printf '[zram8]\n' >05-other.txt
)
(
    cd etc/systemd/zram-generator.conf.d
    ln -s /dev/null 03-drop3.conf
    printf '[zram2]\nzram-size=ram*0.8\nswap-priority=200\noptions=\n' \
        >04-drop4.conf
    printf '# empty\n' >zram-generator.conf
)
cd "$OLDPWD"
imports "$root/usr/lib/systemd/zram-generator.conf" \
    "$root/usr/lib/systemd/zram-generator.conf.d" \
    "$root/etc/systemd/zram-generator.conf.d"
prints 'size = min(ram / 2, 4G)' 'size = ram * 0.8' 'priority = 200'
tells '=<=1235M' zram2.conf
cp "$tmp/out" "$tmp/explicit"
ZRAM_GENERATOR_ROOT=$root imports
cmp "$tmp/out" "$tmp/explicit"
# Only the last of the main files counts.
printf '[zram3]\nzram-size = 100\n' >"$root/etc/systemd/zram-generator.conf"
ZRAM_GENERATOR_ROOT=$root imports -s zram3
prints 'size = 100M'
printf '[zram3]\nzram-size = 200\n' >"$root/run/systemd/zram-generator.conf"
ZRAM_GENERATOR_ROOT=$root imports -s zram3
prints 'size = 200M'
(
    export ZRAM_GENERATOR_ROOT=$tmp/nowhere
    refuses 'there is no section like [zram0]'
)
refuses "$tmp/none: No such file or directory" "$tmp/none"
refuses "$tmp/none: No such file or directory" /dev/null "$tmp/none"

# ---- expressions ----

while read -r theirs; do
    read -r ours
    becomes "zram-size = $theirs" "size = $ours"
done <<'END1'
min(min(ram, 4096) + max(ram - 4096, 0) / 2, 32 * 1024)
min(min(ram, 4G) + max(ram - 4G, 0) / 2, 32G)
0.5 * ram
0.5 * ram
500
500M
100k
100000M
1.5
1.5M
1e3
1000M
ram-(ram/3-100)
ram - (ram / 3 - 100M)
(ram-0)*2/(3)
(ram - 0) * 2 / 3
-(1e9-ram)+1000000000
-(1000000000M - ram) + 1000000000M
[ram]/2
ram / 2
min(ram;100)
min(ram, 100M)
1/4*ram
0.25 * ram
2^3^2%1000+ram*0
512M + ram * 0
e()*pi()*100
853.973422267357M
log(100)*log(2,8)
6M
ceil(1.2)+floor(7.9)+int(1.9)+round(2.5)+abs(-4)+sign(3)
18M
END1

# Of others, only the value is known.
for theirs in "int(ram / 2):$((ram / 2))" "ram % 7 + 2:$((ram % 7 + 2))" \
        "(ram > 1) * 5:5" "(ram < 1 || 6) && 1:1" "!ram + 3:3" \
        "min(ram * ram, 9):9" "7 + 0 / ram:7"; do
    becomes "zram-size = ${theirs%:*}" "size = $((${theirs#*:} << 20))"
    tells "zram-size = ${theirs%:*} can't be written here" \
        "its value on a machine of ${ram}M"
done
printf '[zram0]\nzram-size = 0\nzram-resident-limit = 0 * ram\n' >"$file"
imports "$file"
! grep '^[^#]' "$tmp/out" || fail "a device of no size"
tells 'zram-size = 0. zram-generator makes no such device.'
for theirs in 'log(ram - ram)' 'ram ^ 100' 'ram - ram ^ 2'; do
    printf '[zram0]\nzram-size = %s\n' "$theirs" >"$file"
    imports "$file"
    tells "Left out: zram-size = $theirs has no value on this machine."
done
printf '[zram0]\nzram-size = 32G\n' >"$file"
imports "$file"
tells "Left out: size = 31250000G. size: '31250000G' is" 'from 1M to 1P.'
printf '[zram0]\nzram-size = ram * 17\n' >"$file"
imports "$file"
prints 'size = ram * 17'
tells "'nbdzram swapon zram0' refuses this. size: "

# ---- other settings ----

size='size = min(ram / 2, 4G)'
# adds THEIRS OURS
adds ()
{
    becomes "$1" "$size"${2:+$'\n'}"${2:-}"
}
adds 'swap-priority = -1' 'priority = auto'
adds 'swap-priority = 32767' 'priority = 32767'
adds 'options = discard'
! grep -q options "$tmp/out"
adds 'options = discard,pri=5'
tells 'Left out: options = discard,pri=5.'
adds 'fs-type = swap'
adds "writeback-device = '/dev/disk/by-partuuid/2d54ffa0-01'" \
    'backing = /dev/disk/by-partuuid/2d54ffa0-01'
adds 'colour = blue'
tells ':2: colour is no setting of zram-generator'
printf 'x = 1\n[other]\nzram-size = 1\n[zram]\ny=2\n[zram0]\n' >"$file"
imports "$file"
tells ':1: x stands before any section' 'since the section is [other]' \
    'since the section is [zram]'

adds 'compression-algorithm = 842'
tells 'Left out: 842. This version has no such algorithm.'
adds 'compression-algorithm = lz4 lz4hc lz4hc(level=12) lz4 lz4' \
    'algorithm = lz4
recompress = lz4hc
recompress = lz4hc:level=12
recompress = lz4'
tells 'Left out: lz4. There are at most three for recompress.'
adds 'compression-algorithm = lz4hc(level=16,dict=/d,x=3)' 'algorithm = lz4hc'
tells 'level=16 of lz4hc, which has levels 1 (fastest) to 12 (best) here' \
    "the dictionary '/d' of lz4hc" 'the parameter x=3 of lz4hc'
if requires_algorithm zstd; then
    adds 'compression-algorithm = zstd(dictionary=/etc/gaming,level=9) (a)' \
        'algorithm = zstd:level=9:dict=/etc/gaming'
    adds 'compression-algorithm = zstd(dict=no-path,level=-3)' \
        'algorithm = zstd:level=-3'
    tells "the dictionary 'no-path' of zstd"
fi

# ---- what is wrong ----

while read -r theirs; do
    read -r error
    printf '# a comment\n[zram0]\n%s\n' "$theirs" >"$file"
    refuses "$file:3: $error" "$file"
done <<'END1'
zram-size
the line is not KEY = VALUE
[zram1
the line is not [SECTION]
zram-size =
zram-size: '' ends too early
zram-size = ram +
zram-size: 'ram +' ends too early
zram-size = (ram
zram-size: '(ram' ends too early
zram-size = min(ram, 2]
zram-size: 'min(ram, 2]' has an unexpected ']'
zram-size = 4 GB
zram-size: '4 GB' has an unexpected 'G'
zram-size = 1.2.3
zram-size: '1.2.3' has '1.2.3', which is no number
zram-size = array(1,2)
zram-size: 'array(1,2)' has the unknown function array with 2 values
zram-size = round()
zram-size: 'round()' has the unknown function round with 0 values
zram-size = max(1,2,3,4,5,6,7,8,9)
zram-size: 'max(1,2,3,4,5,6,7,8,9)' has a function of more than 8 values
zram-size = ((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))
zram-size: '((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))' is nested too deeply
zram-resident-limit = ram / "2"
zram-resident-limit: 'ram / "2"' has an unexpected '"'
host-memory-limit = 8G
host-memory-limit: '8G' is no whole number of megabytes, or none
max-zram-size = -1
max-zram-size: '-1' is no whole number of megabytes, or none
zram-fraction = half
zram-fraction: 'half' is no number like 0.5
zram-fraction = 1.2.3
zram-fraction: '1.2.3' is no number like 0.5
swap-priority = 32768
swap-priority: '32768' is no whole number from -1 to 32767
swap-priority = -2
swap-priority: '-2' is no whole number from -1 to 32767
writeback-device = sdb1
writeback-device: 'sdb1' is no path that begins with a slash
mount-point = /foo/../bar
mount-point: '/foo/../bar' has '..' in the path
mount-point = /foo/..
mount-point: '/foo/..' has '..' in the path
compression-algorithm = zstd(level=3, dict=/d)
compression-algorithm: 'zstd(level=3, dict=/d)' has a parenthesis that is not closed in the same word
END1
printf '[zram0]\nzram-size = 1\a\n' >"$file"
refuses "$file:2: the line has a control character" "$file"
printf '[zram0]\nmount-point = /%0300d\n' 1 >"$file"
refuses "$file:2: the line is too long" "$file"

exits 2 'the action is missing: import' conf
exits 2 'export is not import' conf export
exits 2 'unknown option --all' conf import --all

# ---- the manual: nbdzram-migrate(7) ----

pod=$srcdir/man/nbdzram-migrate.pod
[ -e "$pod" ] || skip "the manual is not there"
# named: each line of standard input is a word in the page.
named ()
{
    local word
    while read -r word; do
        grep -qwF -- "$word" "$pod" || fail "the manual does not name $word"
    done
}
sed -n -E 's/^  \{ "([a-z-]+)", [A-Z_]+, .*/\1/p' \
    "$srcdir/command/import/generator.c" | grep -vx memory-limit >"$tmp/keys"
[ "$(wc -l <"$tmp/keys")" = 11 ] || fail "$(cat "$tmp/keys")"
named <"$tmp/keys"
# The columns on the right are keys and verbs that exist.
sed -n '/^=head1 ZRAM-GENERATOR/,/^=head1 SEE/s/^ .\{30\}//p' "$pod" \
    >"$tmp/ours"
grep -o -E '^(\.\.\. )?[a-z-]+ = ' "$tmp/ours" | tr -d ' =' | sort -u |
    comm -23 - <("$bin/conf-show" --keys | cut -d ' ' -f 2 | sort) |
    grep . && fail "these are no keys"
{ grep -o -E 'C<nbdzram [a-z-]+' "$pod"
  grep -o -E 'nbdzram [a-z-]+' "$tmp/ours"; } | cut -d ' ' -f 2 | sort -u |
    comm -23 - <(nbdzram --help |
        sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | sort) |
    grep . && fail "these are no verbs"
# A statistic that is the same there is one here.
sed -n '/^=head1 STATISTICS/,/^=head1 A/p' "$pod" |
    grep '^ ' | cut -c 1-30 | grep -v '^ \(its\|stat\|debug\|io_stat: inv\)' |
    grep -o -E '[a-z]+_[a-z_]+[a-z]' | grep -v _stat >"$tmp/statistics"
[ "$(wc -l <"$tmp/statistics")" -ge 14 ] || fail "$(cat "$tmp/statistics")"
while read -r name; do
    grep -q "FIELD ($name," "$srcdir/lib/maintenance/stats.c" ||
        fail "$name is no statistic"
done <"$tmp/statistics"
