# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The runs of one start of the machine, inside of it, in its first process.
# /bench/settings has variables, and /bench/plan a line for each run:
#
#   WORKLOAD BACKEND DELAY SHARE
#
# Runs of one backend stand together, those with a share of 100 first.  On
# the console comes out, for each,
#
#   @run WORKLOAD BACKEND DELAY SHARE KEY=VALUE...
#   @latency WORKLOAD BACKEND DELAY SHARE MICROSECONDS COUNT
#
# A run whose program fails has no keys but "failed".

# shellcheck source=/dev/null
. /bench/settings
# shellcheck disable=SC2154
size=$((mib * 2 + 64))          # of what is swapped to, in MiB
group=/sys/fs/cgroup/bench
far=/run/far.net                # the other machine's network
mkdir $group
modprobe nbd
[ -e $group/memory.peak ] || fail "this kernel has no memory.peak"

# The same for all: what swapon would set is for ours only.
echo 16384 >/proc/sys/vm/min_free_kbytes
# shellcheck disable=SC2154
echo "$page_cluster" >/proc/sys/vm/page-cluster
echo 100 >/proc/sys/vm/swappiness
keep="page-cluster=keep swappiness=keep min-free=keep"

# ---- backends: on_, off_, and held_, the bytes that are taken ----

on_zram ()
{
    modprobe lz4
    modprobe zram
    echo lz4 >/sys/block/zram0/comp_algorithm
    echo ${size}M >/sys/block/zram0/disksize
    mkswap /dev/zram0 >/dev/null && swapon -d /dev/zram0
}
off_zram ()
{
    swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset
}
held_zram () { awk '{ print $3 }' /sys/block/zram0/mm_stat; }

held_by ()
{
    nbdzram status --bytes --raw --noheadings --output TOTAL "$1"
}

# nbdzram's local swap, and its settings.
# shellcheck disable=SC2086,SC2154
on_local ()
{
    nbdzram swapon swap0 --size ${size}M $keep $server >/tmp/swapon 2>&1
}
off_local () { swap_off; }
held_local () { held_by swap0; }

# The delay is that of what leaves this machine, so it comes to each round
# trip once.  The way is the same with none.  By their paths, since the
# shell has an ip of its own.
network ()
{
    : >$far
    modprobe veth && modprobe sch_netem &&
        unshare --net=$far true &&
        /bin/ip link add near type veth peer name far netns $far &&
        /bin/ip addr add 10.0.0.1/24 dev near && /bin/ip link set near up &&
        nsenter --net=$far /bin/ip addr add 10.0.0.2/24 dev far &&
        nsenter --net=$far /bin/ip link set far up &&
        nsenter --net=$far /bin/ip link set lo up &&
        /bin/tc qdisc add dev near root netem delay "$1us" limit 10000
}

# shellcheck disable=SC2086
on_remote ()
{
    network "$1" || return 1
    nsenter --net=$far nbdzram serve far --daemon --swap --size ${size}M \
        --listen 10.0.0.2:10809 $server allow=10.0.0.1 \
        >/tmp/serve 2>&1 || return 1
    nbdzram swapon swap0 --remote nbd://10.0.0.2:10809 $keep \
        >/tmp/swapon 2>&1 || return 1
    # As measured, in whole microseconds.
    rtt=$(ping -q -c 50 -A 10.0.0.2 | awk -F/ '/^round-trip/ {
        printf "%d", $4 * 1000 }')
}
off_remote ()
{
    nbdzram swapoff swap0 >/tmp/swapon 2>&1 && nbdzram stop far || return 1
    eventually nothing_left || return 1
    /bin/ip link del near
    umount $far
}
held_remote () { held_by far; }

on_disk ()
{
    modprobe virtio_pci && modprobe virtio_blk &&
        eventually test -b /dev/vda &&
        mkswap /dev/vda >/dev/null && swapon /dev/vda
}
off_disk () { swapoff /dev/vda; }
held_disk () { awk '$1 == "/dev/vda" { print $4 * 1024 }' /proc/swaps; }

# ---- workloads ----

# shellcheck disable=SC2154
program_of ()
{
    case $1 in
        sequential) echo "touch $mib" ;;
        zipf) echo "touch $mib zipf=$zipf" ;;
        sort) echo "sort $mib" ;;
        database) echo "database $mib zipf=$zipf" ;;
    esac
}

# Start the program in the group; what it prints goes to the descriptor 4,
# and it keeps its memory until 5 is closed.  When all of its memory waits to
# be written to a slow swap, the kernel would kill it: so it has it wait.
# shellcheck disable=SC2046
start ()
{
    rm -f /tmp/out /tmp/go
    mkfifo /tmp/out /tmp/go
    (echo 0 >$group/cgroup.procs
     echo -1000 >/proc/self/oom_score_adj
     exec /bench/$(program_of "$1") seed="$seed" hold=1 >/tmp/out </tmp/go) &
    job=$!
    exec 4</tmp/out 5>/tmp/go
}

# Print its histogram, and leave the line that comes last in "result".
read_result ()
{
    local word rest
    result=
    while read -r word rest <&4; do
        case $word in
            latency) echo "@latency $1 $rest" ;;
            result) result=$rest; break ;;
        esac
    done
}

# one_run WORKLOAD BACKEND DELAY SHARE, on swap that is on.  With all in
# local memory, what the group took at most is its footprint; the other
# shares are of that.
one_run ()
{
    local key="$1 $2 $3 $4" job result limit=max held swapped stalls
    [ "$4" = 100 ] || limit=$((footprint * $4 / 100))
    rmdir $group && mkdir $group
    echo $limit >$group/memory.max
    start "$1"
    read_result "$key"
    held=$(held_"$2")
    swapped=$(cat $group/memory.swap.current)
    stalls=$(awk '$1 == "oom" { print $2 }' $group/memory.events)
    [ "$4" != 100 ] || footprint=$(cat $group/memory.peak)
    exec 5>&- 4<&-
    if wait $job && [ "$result" ]; then
        echo "@run $key $result rtt_us=${rtt:-} stalls=$stalls" \
            "far_bytes=$held swap_bytes=$swapped footprint_bytes=$footprint" \
            "local_bytes=$([ $limit = max ] && echo $footprint || echo $limit)"
    else
        echo "@run $key failed"
    fi
}

# ---- the plan ----

backend='' delay='' footprint=0
backend_off ()
{
    [ ! "$backend" ] || off_"$backend" || fail "$backend: not turned off"
    rtt=
}
while read -r workload next_backend next_delay share <&6; do
    if [ "$next_backend $next_delay" != "$backend $delay" ]; then
        backend_off
        backend=$next_backend delay=$next_delay
        on_"$backend" "$delay" || {
            cat /tmp/serve /tmp/swapon 2>/dev/null
            fail "$backend: not turned on"
        }
    fi
    one_run "$workload" "$backend" "$delay" "$share"
done 6</bench/plan
backend_off
# What it says of stalls is no news.
kernel_is_well 'oom-kill\|[Oo]ut of memory'
