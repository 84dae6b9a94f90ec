#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each filter of nbdkit over large disks: its map, a copy in and out, zeroes.
#
# A failure that is nbdkit's own is in the table as known=STEP@VERSION, with
# the first version that has it mended.  Then nbdkit's own plugin file must
# fail, too, so that a repair is noticed wherever it is made.
#
# Left out: gzip, xz, bzip2, lzip, qcow2dec and tar, which read archives; luks,
# whose data does not compress; tls-fallback, which shows plain clients
# something else; evil, which damages data.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdinfo nbdcopy qemu-img qemu-io

only=${ONLY:-}                   # run the rows of this filter alone
version=$(nbdkit --dump-config | sed -n 's/^version=//p')
filterdir=$(nbdkit --dump-config | sed -n 's/^filterdir=//p')
gib=$((1 << 30)) tib=$((1 << 40))
odd=5000000001

# Reports go to standard error, core files nowhere.
exec 2>&1
ulimit -c 0

older_than ()
{
    [ "$1" = never ] || {
        [ "$version" != "$1" ] &&
            [ "$(printf '%s\n' "$version" "$1" | sort -V | head -n 1)" = \
                "$version" ]
    }
}

# ---- steps: each true, or false with a reason on standard output ----

# The map has no gap and ends where the disk does.
map ()
{
    nbdinfo --map "$(uri disk)" >"$tmp/map" 2>&1 ||
        { tail -n 1 "$tmp/map"; return 1; }
    awk -v size="$size" '
        $1 != end { print "a gap at " end; exit 1 }
        { end += $2 }
        END { if (end != size) { print "it ends at " end; exit 1 } }' \
        "$tmp/map"
}

totals ()
{
    nbdinfo --map --totals "$(uri disk)" >"$tmp/map" 2>&1 ||
        { tail -n 1 "$tmp/map"; return 1; }
    awk -v size="$size" '
        { sum += $1 }
        END { if (sum != size) { print "in all " sum; exit 1 } }' "$tmp/map"
}

# put FILE COUNT AT: so many bytes of the file into the content.
put ()
{
    dd if="$1" of="$content" bs="$2" seek="$3" count=1 oflag=seek_bytes \
        conv=notrunc status=none
}

# A sparse file with data at its start, in the middle, around 4G, and at its
# end, of which FILLED bytes can hold any.
make_content ()
{
    local at

    content=$tmp/content.$size.$filled
    [ ! -e "$content" ] || return 0
    truncate -s "$size" "$content"
    for at in 0 $((filled / 2 - 33333)) $((4 * gib - 33333)) \
                $((filled - 66666)); do
        [ $((at + 66666)) -gt "$filled" ] || put "$tmp/random" 66666 "$at"
    done
}

copy_in ()
{
    nbdcopy ${slow:+--destination-is-zero} "$content" "$(uri disk)" 2>&1
}

# The content is in the disk already.
content ()
{
    :
}

copy_out ()
{
    rm -f "$tmp/copy"
    nbdcopy "$(uri disk)" "$tmp/copy" 2>&1 &&
        qemu-img compare -q -f raw -F raw "$content" "$tmp/copy" 2>&1 ||
        { echo "other bytes"; return 1; }
}

compare ()
{
    qemu-img compare -f raw -F raw "$content" "$(uri disk)" 2>&1
}

# Within the data in the middle.
zero ()
{
    local at=$((filled / 2 - 12345)) r=0

    io "$(uri disk)" "write -z $at 20000" "read -P 0 $at 20000" \
        "discard $at 15000" flush 2>&1 || return 1
    put /dev/zero 20000 $at
    compare || r=1
    put "$tmp/random" 66666 $((filled / 2 - 33333))
    return $r
}

# The first and the last bytes of a disk too large to be read.
ends ()
{
    local last=$((filled - 4096)) near=$((size - 8 * gib))

    io "$(uri disk)" "write -P 1 0 64k" "write -P 2 $last 4k" flush \
        "read -P 1 0 64k" "read -P 2 $last 4k" \
        "read -P 0 $((filled / 2)) 64k" "discard $last 4k" 2>&1 &&
        qemu-img map --output=json -f raw --max-length=$((8 * gib)) \
            --start-offset=$((near > 0 ? near & -512 : 0)) "$(uri disk)" \
            2>&1 >"$tmp/map"
}

# ---- a row ----

# A client that stays, for servers that end with their last one.
hold ()
{
    rm -f "$tmp/held"
    exec {held_by}> >(stdbuf -oL qemu-io -f raw "$(uri disk)" >"$tmp/held" 2>&1)
    echo length >&"$held_by"
    eventually grep -qs iB "$tmp/held" || fail "no client stays"
}

# attempt PLUGIN SIZE STEP...: what comes of it is in $result, "ok" or
# "STEP: WORDS".
attempt ()
{
    local disk=$2 step words f args=() held_by=''

    for f in $filters; do args+=("--filter=$f"); done
    if [ "$1" = zram ]; then
        args+=(zram "size=$2")
    else
        rm -f "$tmp/file"
        truncate -s "$2" "$tmp/file"
        args+=("$1" "$tmp/file")
    fi
    shift 2
    # shellcheck disable=SC2206
    args+=($params)
    start_nbdkit disk "${args[@]}"
    [ ! "$held" ] || hold
    result=ok
    size=$(nbdinfo --size "$(uri disk)") || fail "${args[*]}: no size"
    filled=$((size < disk ? size : disk))
    for step in "$@"; do
        case $step in copy_in | content) make_content ;; esac
        words=$($step 2>&1) || { result="$step: $words"; break; }
    done
    if [ "$held_by" ]; then exec {held_by}>&-; fi
    stop_nbdkit "$pid" 2>/dev/null || :
    # The server's words say more than its clients' about its end.
    ! words=$(grep -o 'Assertion.*' "$tmp/disk.log") ||
        result="$step: $words"
}

# Content is there before the filter.
with_content ()
{
    local filters='' params="pool=$pool"

    rm -f "$pool"
    attempt zram "$1" copy_in
    [ "$result" = ok ] || fail "without a filter: $result"
}

# A partition table, of one partition that begins at 1M.
with_partition ()
{
    local filters='' params="pool=$pool" sectors=$(($1 / 512 - 2048)) entry

    rm -f "$pool" "$tmp/table"
    printf -v entry '\\x%02x' 0 0 0 0 0x83 0 0 0 0 8 0 0 \
        $((sectors & 255)) $((sectors >> 8 & 255)) \
        $((sectors >> 16 & 255)) $((sectors >> 24))
    # shellcheck disable=SC2059
    { head -c 446 /dev/zero; printf "$entry"; head -c 48 /dev/zero
      printf '\x55\xaa'; } >"$tmp/table"
    attempt zram "$1" table_in
    [ "$result" = ok ] || fail "without a filter: $result"
}

table_in ()
{
    nbdcopy --destination-is-zero "$tmp/table" "$(uri disk)" 2>&1
}

# expect SIZE STEP...: all of them succeed, or what is known comes.
expect ()
{
    local with_zram

    if [ "$prepare" ]; then $prepare "$1"; fi
    attempt zram "$@"
    with_zram=$result
    if [ ! "$known" ]; then
        [ "$result" = ok ] || fail "$name, $1: $result"
        return
    fi
    [ "$result" != ok ] || return 0
    [ "${result%%:*}" = "${known%@*}" ] || fail "$name, $1: $result"
    attempt file "$@"
    [ "$result" != ok ] ||
        fail "$name, $1: only with zram: $with_zram"
    older_than "${known#*@}" ||
        fail "$name, $1: not mended in nbdkit $version: $with_zram"
    echo "nbdkit $version: $name, $1: $with_zram"
    seen=1
}

# row FILTERS PARAMETERS [FLAG...]
#   slow      zeroes are written one by one: copy without them
#   whole     clients read all of it, since no hole is visible
#   extents   the filter makes extents itself: a map of 64T, too
#   lies      it shows holes where data are: copy nothing
#   same      nothing but what is there may be written
#   readonly  nothing at all
#   held      a client must stay
#   first=SIZE  odd=SIZE  top=SIZE    instead of 3G, of $odd, and of 1P
#   prepare=FUNCTION     is called with the size before
#   known=STEP@VERSION   fails before that version of nbdkit, or never=always
row ()
{
    local filters=$1 params=$2 name="$1${2:+ $2}" flag f
    local slow='' whole='' lies='' extents='' same='' readonly='' held=''
    local first=$((3 * gib)) odd=$odd top=$((1 << 50)) prepare='' known=''
    local steps size filled result seen=''
    shift 2

    [[ ! $only || " $filters " == *" $only "* ]] || return 0
    for f in $filters; do
        [ -e "$filterdir/nbdkit-$f-filter.so" ] ||
            { echo "this nbdkit has no filter $f"; return 0; }
    done
    for flag in "$@"; do
        case $flag in
            *=*) printf -v "${flag%%=*}" %s "${flag#*=}" ;;
            *) printf -v "$flag" 1 ;;
        esac
    done
    [ ! "$readonly" ] || same=1
    [ ! "$prepare" ] || params+=" pool=$pool"
    steps="map copy_in copy_out"
    [ ! "$lies" ] || steps="map ends"
    [ ! "$readonly" ] || steps=${steps/copy_in/content}
    # shellcheck disable=SC2086
    [ "$quick" ] || expect "$first" $steps
    steps="map totals copy_in copy_out compare"
    [ "$same" ] || steps+=" zero map"
    [ ! "$whole$lies" ] || steps="map totals ends"
    [ ! "$readonly" ] || steps=${steps/copy_in/content}
    # shellcheck disable=SC2086
    expect $((8 * gib)) $steps
    # shellcheck disable=SC2086
    expect "$odd" $steps
    [ ! "$extents" ] || expect $((top < 64 * tib ? top : 64 * tib)) map
    [ "$same" ] || expect "$top" ends
    rows=$((rows + 1))
    if [ "$known" ] && [ ! "$seen" ] && older_than "${known#*@}"; then
        attempt file $((8 * gib)) map copy_in copy_out
        [ "$result" = ok ] || fail "$name: zram does not fail: no known="
        echo "$name is mended in this nbdkit $version"
    fi
}
rows=0

new_pool
head -c 66666 /dev/urandom >"$tmp/random"
echo '0 1M' >"$tmp/list"
touch "$tmp/there"
printf '0x0 +\n0\t%s\t+\n' $((1 << 50)) >"$tmp/mapfile"

row "" ""
row blocksize minblock=4096 known=map@1.42.3
row blocksize "maxdata=64K maxlen=1M"
row "blocksize-policy blocksize" "minblock=4096 blocksize-minimum=4096" \
    extents odd=5000003584
row "noextents blocksize" minblock=4096 slow whole first=$((gib / 4))
row blocksize-policy blocksize-minimum=512 odd=5000000512 extents
row blocksize-policy \
    "blocksize-minimum=4096 blocksize-error-policy=error" odd=5000003584 same
row cacheextents "" extents
row cache "" slow top=$tib known=copy_out@never
row cache cache=unsafe slow top=$tib known=copy_out@never
row cache cache=writethrough slow top=$tib
row "noextents cache" "" slow whole first=$((gib / 4)) top=$tib
row checkwrite "" same prepare=with_content
row cow "" slow extents known=map@1.42.3 top=$((8 * tib))
row "noextents cow" "" slow whole first=$((gib / 4)) top=$((8 * tib))
row delay rdelay=0
row error ""
row exitlast "" held
row exitwhen "exit-when-file-deleted=$tmp/there"
row exportname ""
row extentlist "extentlist=$tmp/list" lies extents
row ddrescue "ddrescue-mapfile=$tmp/mapfile" readonly prepare=with_content
row fua fuamode=emulate
row ip allow=all
row limit limit=100
row log "logfile=$tmp/requests"
row multi-conn multi-conn-mode=emulate
row nocache ""
row noextents "" whole
row nofilter ""
row noparallel ""
row nozero zeromode=emulate slow
row offset offset=1M extents
row offset "offset=1000 range=2999999999"
row partition partition=1 prepare=with_partition top=$tib
row pause "pause-control=$tmp/pause.sock"
row protect "protect=$gib-$((gib + 4095))"
row rate rate=1000G
row readahead ""
row retry ""
row retry-request ""
row scan ""
row stats "statsfile=$tmp/stats"
row swab swab-bits=64 odd=5000000008 same
row truncate truncate=100G
row truncate truncate=8T lies
row truncate truncate=1G
row truncate round-up=64K
row truncate round-down=64K
# Those of newer versions.
row count ""
row openonce ""
row rotational ""
row time-limit time-limit=3600
row map "map=0-1073741823:1073741824 map=1073741824-2147483647:0" \
    known=compare@never
row spinning "min-seek-time=0 half-seek-time=0 max-seek-time=0"

[ $rows -gt 0 ] || skip "no filter here"
echo "$rows rows with nbdkit $version"
