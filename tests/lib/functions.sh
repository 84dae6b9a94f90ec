# SPDX-License-Identifier: GPL-2.0-or-later
# What the shell tests share.  A test begins with
#   . "${srcdir:-.}/tests/lib/functions.sh"
# and runs in the top build directory.

set -eu -o pipefail
export LC_ALL=C

: "${srcdir:=.}" "${top_builddir:=.}"
plugin=$(cd "$top_builddir" && pwd)/plugin/nbdkit-zram-plugin.so
bin=$(cd "$top_builddir" && pwd)/tests/lib
nbdzram=$(cd "$top_builddir" && pwd)/command/nbdzram
nbdzramd=$(cd "$top_builddir" && pwd)/server/nbdzramd

# In a build with a sanitizer, a report ends the server, which the tests
# notice.  nbdkit itself frees not all at its end.
export ASAN_OPTIONS=detect_leaks=0:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:exitcode=99

# With one, a process that has asked for the text of an errno would wait
# forever when a library of nbdkit's frees a locale at the end.
[ ! "${NBDZRAM_PRELOAD:-}" ] ||
    NBDZRAM_PRELOAD+=" $bin/no-freelocale.so"

# Loops are short when everything is slow (sanitizers, valgrind).
quick=${NBDZRAM_QUICK:-}

# ---- ending ----

tmp=$(mktemp -d "${TMPDIR:-/tmp}/nbdzram-test.XXXXXX")
pools=()
servers=()

# Control sockets, too, are this test's own.
export XDG_RUNTIME_DIR=$tmp/run
mkdir "$XDG_RUNTIME_DIR"

# cleanup [STATUS]
cleanup ()
{
    local status=${1:-$?} pid

    trap - EXIT
    for pid in ${servers[@]+"${servers[@]}"}; do
        kill -9 "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        tail -n 20 "$tmp"/*.log 2>/dev/null || :
        # The end of what a sanitizer says is not what one wants to know.
        grep -hs -A 40 'ERROR: .*Sanitizer\|runtime error:' "$tmp"/*.log || :
    fi
    [ ! "${mnt:-}" ] || umount "$mnt" 2>/dev/null || :
    rm -rf "$tmp" ${pools[@]+"${pools[@]}"}
    exit $status
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

skip ()
{
    echo "skip: $*"
    exit 77
}

fail ()
{
    echo "FAIL: $*" >&2
    exit 1
}

requires ()
{
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

requires_filter ()
{
    local dir
    dir=$(nbdkit --dump-config | sed -n 's/^filterdir=//p')
    [ -e "$dir/nbdkit-$1-filter.so" ] || skip "this nbdkit has no filter $1"
}

requires_algorithm ()
{
    nbdkit_zram --dump-plugin zram | grep -qx "zram_$1=yes"
}

# ---- servers ----

# nbdkit_zram ARGS...: nbdkit, where the word zram is the plugin of this
# tree.  NBDZRAM_PRELOAD (a sanitizer) is for the server only, not for
# the clients in --run.  A socket of -U - is the test's own, since nbdkit
# leaves its directory in /tmp behind when it refuses to serve.
#
# With NBDZRAM_SERVER=nbdzramd, nbdzramd serves instead of nbdkit with the
# plugin, if the arguments have nothing that only nbdkit can do.
nbdkit_command ()
{
    local arg seen='' run='' last='' server=nbdkit

    ! is_for_nbdzramd "$@" || server=$nbdzramd
    command=(env ${NBDZRAM_PRELOAD:+LD_PRELOAD="$NBDZRAM_PRELOAD"} "$server")
    for arg in "$@"; do
        if [ "$arg" = zram ] && [ ! "$seen" ]; then
            seen=1
            [ "$server" = nbdkit ] || continue
            arg=$plugin
        elif [ "$run" ]; then
            arg="unset LD_PRELOAD; $arg"
        elif [ "$last $arg" = "-U -" ]; then
            arg=$tmp/$SRANDOM.sock
        elif [ "$server" != nbdkit ] && [[ $arg = -t || $last = -t ]]; then
            last=$arg           # threads of each connection
            continue
        fi
        if [ "$arg" = --run ]; then run=1; else run=''; fi
        last=$arg
        command+=("$arg")
    done
}

is_for_nbdzramd ()
{
    local arg zram=''
    [ "${NBDZRAM_SERVER:-nbdkit}" = nbdzramd ] || return 1
    for arg in "$@"; do
        case $arg in
            zram) zram=1 ;;
            --filter*|--dump-plugin) return 1 ;;
        esac
    done
    [ "$zram" ]
}

# serves_with SERVER: is this the server of the test, nbdkit or nbdzramd?
serves_with ()
{
    [ "${NBDZRAM_SERVER:-nbdkit}" = "$1" ]
}

nbdkit_zram ()
{
    local command
    nbdkit_command "$@"
    "${command[@]}"
}

# launch NAME ARGS...: the same in the background, until the end of the test;
# its words go to $tmp/NAME.log.  Its process is $pid.  False when it ends
# instead of serving.
launch ()
{
    local name=$1 command i
    shift

    rm -f "$tmp/$name.pid"
    nbdkit_command -f -P "$tmp/$name.pid" "$@"
    "${command[@]}" >"$tmp/$name.log" 2>&1 &
    pid=$!
    servers+=("$pid")
    for ((i = 0; i < 1200; i++)); do
        [ ! -s "$tmp/$name.pid" ] || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    return 1
}

# start_nbdkit NAME ARGS...: at the socket $tmp/NAME.sock; "$(uri NAME)" is
# where it serves.
start_nbdkit ()
{
    local name=$1
    shift

    rm -f "$tmp/$name.sock"
    launch "$name" -U "$tmp/$name.sock" "$@" || {
        cat "$tmp/$name.log" >&2
        fail "nbdkit $* did not start"
    }
}

# start_tcp NAME ADDRESS ARGS...: at a $port of ADDRESS that nobody else has.
start_tcp ()
{
    local i name=$1 address=$2
    shift 2

    for ((i = 0; i < 20; i++)); do
        port=$((20000 + RANDOM % 20000))
        ! launch "$name" -i "$address" -p $port "$@" || return 0
    done
    skip "no TCP here: $(cat "$tmp/$name.log")"
}

# has_ended PID: also when nobody has waited for it yet.
has_ended ()
{
    ! grep -qs '^State:.[^ZX]' "/proc/$1/status"
}

# stop_nbdkit PID [SIGNAL]
stop_nbdkit ()
{
    local i kept=()

    kill "-${2:-TERM}" "$1"
    wait "$1" 2>/dev/null || :
    for i in "${servers[@]}"; do
        [ "$i" = "$1" ] || kept+=("$i")
    done
    servers=(${kept[@]+"${kept[@]}"})
    check_logs
}

# stand PID: stop it, and return when none of its threads runs any more,
# which on a busy machine is not at once.
stand ()
{
    kill -STOP "$1"
    eventually stands "$1" || fail "process $1 does not stop"
}

stands ()
{
    ! grep -hs '^State:' /proc/"$1"/task/*/status | grep -qv '[TZX] ('
}

# What a sanitizer says at the end of a server is an error, too.
check_logs ()
{
    ! grep -h -A 30 'Sanitizer\|runtime error:' "$tmp"/*.log || fail "see above"
}

# nbdzram ARGS...: the command of this tree.
nbdzram ()
{
    "$nbdzram" "$@"
}

# exits CODE PATTERN ARGS...: nbdzram ends so, and says why in one line.
exits ()
{
    local code=0 wanted=$1 pattern=$2
    shift 2
    nbdzram "$@" >"$tmp/out" 2>&1 || code=$?
    [ $code = "$wanted" ] || fail "nbdzram $*: $code: $(cat "$tmp/out")"
    [ "$(wc -l <"$tmp/out")" = 1 ] && grep -q -e "$pattern" "$tmp/out" ||
        fail "nbdzram $* does not say '$pattern': $(cat "$tmp/out")"
}

# process PID [FLAGS [POLICY [LOCKED [SCORE]]]]: as those of a swap are, and
# with other arguments not.
process ()
{
    local dir=$NBDZRAM_ROOT/proc/$1
    mkdir -p "$dir/task/$1"
    echo nbdzram >"$dir/comm"
    printf 'VmLck:\t%s kB\n' "${4:-1024}" >"$dir/status"
    echo "${5:--1000}" >"$dir/oom_score_adj"
    echo "$1 (nbdzram (x)) S 1 1 1 0 -1 ${2:-4718592} $(
        printf '0 %.0s' {1..30})3 ${3:-1} 0 0 0" >"$dir/task/$1/stat"
}

# ask NAME REQUEST...: lines to a control socket, and the replies.
ask ()
{
    local name=$1
    shift

    printf '%s\n' "$@" |
        socat -t 60 - "UNIX-CONNECT:$XDG_RUNTIME_DIR/nbdzram/$name.ctl"
}

uri ()
{
    echo "nbd+unix:///${2:-}?socket=$tmp/$1.sock"
}

# KiB of a line of /proc/PID/status: status_kib PID VmRSS
status_kib ()
{
    awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"
}

# eventually COMMAND...: it succeeds, for which a busy machine has minutes.
# What a server took for a connection goes back a little after the client
# is gone.
eventually ()
{
    local until=$((SECONDS + 150))

    until "$@"; do
        [ $SECONDS -lt $until ] || return 1
        sleep 0.1
    done
}

# ---- pools ----

# A path for a pool file that is removed at the end, in $pool.
new_pool ()
{
    [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] ||
        skip "/dev/shm is not a tmpfs"
    pool=$(mktemp -u "/dev/shm/nbdzram-test.XXXXXX")
    pools+=("$pool")
}

# Run the rest of this test in a mount namespace of its own, where
# mounts disappear with it.
private_mounts ()
{
    [ ! "${NBDZRAM_PRIVATE:-}" ] || return 0
    [ "$(id -u)" = 0 ] || skip "mounting needs root"
    unshare -m true 2>/dev/null || skip "no private mount namespace"
    rm -rf "$tmp"
    trap - EXIT
    NBDZRAM_PRIVATE=1 exec unshare -m --propagation private bash "$0"
}

# mount_tmpfs SIZE: an empty one at $mnt.
mount_tmpfs ()
{
    mnt=$tmp/mnt
    mkdir -p "$mnt"
    mount -t tmpfs -o "size=$1" nbdzram-test "$mnt" ||
        skip "can't mount a tmpfs"
}

# ---- random ----

# The seed of this run; SEED=... repeats one.
seed=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}

# model SIZE PARAMETERS...: random requests to a disk and to an oracle.
model ()
{
    local size=$1 page_size=4096 arg
    shift

    [ -x "$bin/nbd-model" ] || skip "built without libnbd"
    for arg in "$@"; do
        case $arg in page-size=*) page_size=$(numfmt --from=iec "${arg#page-size=}") ;; esac
    done
    echo "model: $size $* (SEED=$seed)"
    start_nbdkit oracle memory "$size" allocator=sparse
    local oracle=$pid
    start_nbdkit zram zram "$size" "$@"
    zram=$pid
    "$bin/nbd-model" -s "$seed" -p "$page_size" -n "${batches:-}" \
        "$(uri zram)" "$(uri oracle)" ||
        fail "nbd-model $size $*: SEED=$seed"
    if [ "${after_model:-}" ]; then
        $after_model "$size" "$@"
    fi
    stop_nbdkit "$zram"
    stop_nbdkit "$oracle"
}

# ---- clients ----

# io URI COMMAND...: commands of qemu-io, all of which must succeed.
io ()
{
    local where=$1 args=() out
    shift

    for out in "$@"; do args+=(-c "$out"); done
    if out=$(qemu-io -f raw "${args[@]}" "$where" 2>&1) &&
       ! grep -qi 'fail\|error\|can.t' <<<"$out"; then
        return 0
    fi
    echo "qemu-io $where $*: $out" >&2
    return 1
}

# Does a request fail, as it should?
io_fails ()
{
    ! io "$@" 2>/dev/null
}

# milliseconds COMMAND...: how long it takes.
milliseconds ()
{
    local start
    start=$(date +%s%3N)
    "$@" >&2 || return 1
    echo $(($(date +%s%3N) - start))
}

# ---- refusals ----

# refuses PATTERN ARGS...: nbdkit with these arguments ends with an error,
# before or after it has forked, and says why in one line that matches PATTERN.
refuses ()
{
    local pattern=$1 command code=0
    shift

    nbdkit_command -f -U - "$@"
    timeout 120 "${command[@]}" >"$tmp/refused" 2>&1 || code=$?
    case $code in 0|124) fail "nbdkit $* did not fail" ;; esac
    [ "$(grep -c 'error:' "$tmp/refused")" = 1 ] &&
        [ "$(wc -l <"$tmp/refused")" = 1 ] &&
        grep -q -e "error:.*$pattern" "$tmp/refused" ||
        fail "nbdkit $* does not say '$pattern' in one line: $(
            cat "$tmp/refused")"
}

# ---- a pool that becomes full ----

# fill_up URI FILE: write FILE in order, which must fail for want of room.
fill_up ()
{
    if nbdcopy --synchronous --connections=1 --request-size=65536 \
               "$2" "$1" 2>"$tmp/full.log"; then
        fail "everything found room"
    fi
    grep -q 'No space left' "$tmp/full.log" || fail "$(cat "$tmp/full.log")"
}

# Every page of FOUND is as in OLD or as in NEW: pages_are FOUND OLD NEW.
# Prints how many are as in NEW, and not as in OLD.
pages_are ()
{
    perl -e '
        my @f = map { open my $h, "<:raw", $_ or die "$_: $!"; $h } @ARGV;
        my ($n, $new) = (0, 0);
        while (1) {
            my @p = map { my $b = ""; read ($_, $b, 4096); $b } @f;
            last if $p[0] eq "";
            if ($p[0] ne $p[1]) {
                die "page $n is neither old nor new\n" if $p[0] ne $p[2];
                $new++;
            }
            $n++;
        }
        print "$new\n"' "$@"
}
