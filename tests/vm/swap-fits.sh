#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How well swap in areas fits what lives in it, beside the kernel's zram in
# the same boot: programs that rewrite their pages, that end, that follow each
# other, and data that compresses by chance.
#
# NBDZRAM_VM_PARAMETERS: only=NAME of one part, seconds= of rewriting, cycles=,
# seeds=, runs= of the comparison of speed.  The defaults are short.
. "${srcdir:-.}/tests/vm/host.sh"
disks=$(mktemp -d)
trap 'rm -rf "$disks"' EXIT
truncate -s 1G "$disks/second"
export NBDZRAM_VM_ARGS="${NBDZRAM_VM_ARGS:-} -drive \
file=$disks/second,format=raw,if=virtio,cache=unsafe"
(boot 7000 512M)
exit
#### guest ####
: "${seconds:=60}" "${cycles:=8}" "${seeds:=3}" "${runs:=1}"
modprobe nbd
modprobe lz4
modprobe zram
modprobe virtio_pci
modprobe virtio_blk

# ---- what there is, in KiB ----

# DEAD and STORED of all areas.
areas_sum () { nbdzram status --json swap0 | tr -d ' "' | tr ',{' '\n\n' |
    awk -F: '/^areas:/ { inside = 1 } inside && /^dead:/ { dead += $2 }
             inside && /^stored:/ { stored += $2 }
             END { print int (dead / 1024), int (stored / 1024) }'; }

# dead_share: percent of what is stored.
dead_share ()
{
    # shellcheck disable=SC2046
    set -- $(areas_sum)
    [ $2 = 0 ] || set -- $(($1 * 100 / $2))
    echo $1
}

held () { echo $(($(pool_number mem_used_total) / 1024)); }
zram_held () { awk '{ print int ($3 / 1024) }' /sys/block/zram0/mm_stat; }
used_on () { awk -v device="$1" '$1 ~ device { n += $4 } END { print n + 0 }' \
    /proc/swaps; }

# Hundredths of a second of processor time of PID and what it waited for.
processor_time ()
{
    sed 's/.*) //' /proc/$1/stat | awk '{ print $12 + $13 + $14 + $15 }'
}

no_failed_write ()
{
    [ "$(pool_number failed_writes)" = 0 ] || fail "$1: $(pool_number failed_writes) failed writes"
}

# ---- swap ----

# ours_on LIMIT SIZE [KEY=VALUE...], in MiB
ours_on ()
{
    local limit=$1 size=$2
    shift 2
    swap_on ${size}M mem-limit=${limit}M areas=16 algorithm=lz4 "$@"
    tail -n 1 /tmp/swapon.log
}

# zram_on SIZE
zram_on ()
{
    echo lz4 >/sys/block/zram0/comp_algorithm
    echo $1M >/sys/block/zram0/disksize
    mkswap /dev/zram0 >/dev/null
    swapon /dev/zram0 || fail "swapon zram0"
}

zram_off ()
{
    swapoff /dev/zram0 || fail "swapoff zram0"
    echo 1 >/sys/block/zram0/reset
}

# A disk as a second swap, below ours.
second_on ()
{
    eventually test -b /dev/vda || fail "no disk"
    mkswap /dev/vda >/dev/null
    /bin/swapon -p 1 /dev/vda || fail "swapon vda"
}

second_off () { swapoff /dev/vda || fail "swapoff vda"; }

# ---- programs ----

# start_program NAME MIB [KEY=VALUE...]: its number is in pid_NAME.
start_program ()
{
    local name=$1
    shift
    pages "$@" >/tmp/line.$name 2>&1 &
    eval "pid_$name=$!"
}

# end_program NAME: at once.
end_program ()
{
    local pid
    eval "pid=\$pid_$1"
    # The worker is the child of the program.
    # shellcheck disable=SC2046
    kill -9 $(awk -v parent=$pid '$4 == parent { print $1 }' \
        /proc/[0-9]*/stat 2>/dev/null) $pid 2>/dev/null
    wait $pid 2>/dev/null
    grep 'page .* word' /tmp/line.$1 && fail "a byte of $1 is wrong"
    return 0
}

# wait_for_program NAME
wait_for_program ()
{
    local pid
    eval "pid=\$pid_$1"
    wait $pid || fail "$1: $(cat /tmp/line.$1)"
}

# count_stopped N: so many workers have filled their memory, and wait.
count_stopped ()
{
    [ "$(grep -l '^State:.*stopped' /proc/[0-9]*/status 2>/dev/null |
         wc -l)" -ge "$1" ]
}

# wait_until_filled N NAME: N workers have, among them that of program NAME.
wait_until_filled ()
{
    local pid
    eval "pid=\$pid_$2"
    until count_stopped "$1"; do
        kill -0 $pid 2>/dev/null || fail "$2: $(cat /tmp/line.$2; cat /proc/swaps)"
        sleep 0.2
    done
}

# ---- programs that rewrite their pages, and end ----

# rewrite HELD: 8 programs for a while, of which then 7 end.
rewrite ()
{
    local each=$((ram * 12 / 10 / 1024 / 8)) i start
    for i in 1 2 3 4 5 6 7 8; do
        start_program $i $each workers=1 rounds=0 seed=$((i * 77)) \
            seconds=$((seconds + 90))
    done
    i=0
    while [ $i -lt $seconds ]; do
        sleep 15
        i=$((i + 15))
        say "$1 $($1) KiB for $(used_on "$2") KiB used, dead $($3) %"
    done
    rewritten=$($1) rewritten_used=$(used_on "$2") rewritten_dead=$($3)
    for i in 1 2 3 4 5 6 7; do end_program $i; done
    start=$(cut -d. -f1 /proc/uptime)
    while [ $(($(cut -d. -f1 /proc/uptime) - start)) -lt 30 ]; do
        sleep 3
        say "$1 $($1) KiB for $(used_on "$2") KiB used, dead $($3) %"
    done
    ended=$($1) ended_dead=$($3)
    nbdzram status
    wait_for_program 8
}

none () { echo 0; }

part_rewrite ()
{
    local ours ours_used min_free
    say "8 programs rewrite ours"
    ours_on $((ram / 2048)) $((ram * 2 / 1024))
    min_free=$(cat /proc/sys/vm/min_free_kbytes)
    rewrite held /dev/nbd dead_share
    no_failed_write rewrite
    ours=$rewritten ours_used=$rewritten_used
    cat /proc/swaps
    swap_off
    [ "$rewritten_dead" -lt 15 ] || poor="$poor rewritten:$rewritten_dead%"
    [ "$ended_dead" -lt 15 ] || poor="$poor ended:$ended_dead%"
    say "the same on zram, with the same reserve of the kernel"
    echo "$min_free" >/proc/sys/vm/min_free_kbytes
    zram_on $((ram * 2 / 1024))
    dead=$rewritten_dead dead_at_end=$ended_dead
    rewrite zram_held /dev/zram0 none
    zram_off
    # More is swapped out to ours, as its processes take memory themselves.
    share=$((ours * 1000 / ours_used * 100 / (rewritten * 1000 / rewritten_used)))
    say "RESULT rewriting: dead $dead % of what is stored;" \
        "$((ours * 100 / rewritten)) % of zram's memory," \
        "$share % of zram's for a page;" \
        "dead 30 s after 7 of 8 ended: $dead_at_end %"
    [ $share -le 125 ] || poor="$poor memory:$share%"
}

# ---- programs of mixed lifetime ----

part_cycles ()
{
    local each=$((ram * 12 / 10 / 1024 / 5)) n i manager cpu start dead=0 now
    say "$cycles cycles"
    ours_on $((ram / 2048)) $((ram * 2 / 1024))
    for i in 1 2 3 4 5; do
        start_program $i $each workers=1 rounds=1 seed=$i hold=1
        wait_until_filled $i $i
    done
    now=$(held)
    say "what lives takes $now KiB; limit: $((now * 5 / 4)) KiB"
    nbdzram set swap0 mem-limit=$((now * 5 / 4))K || fail "set"
    manager=$(pid_of 'areas swap0')
    cpu=$(processor_time $manager)
    start=$(cut -d. -f1 /proc/uptime)
    for n in $(seq $cycles); do
        # Program i is replaced each i cycles.
        for i in 1 2 3 4 5; do
            [ $((n % i)) = 0 ] || continue
            end_program $i
            start_program $i $each workers=1 rounds=1 seed=$((n * 10 + i)) hold=1
            wait_until_filled 5 $i
        done
        sleep 5
        now=$(dead_share)
        say "cycle $n: $(held) KiB for $(used_on /dev/nbd) KiB used," \
            "dead $now %, $(areas_on) areas"
        [ "$now" -le "$dead" ] || dead=$now
    done
    no_failed_write cycles
    cpu=$(($(processor_time $manager) - cpu))
    start=$(($(cut -d. -f1 /proc/uptime) - start))
    killall -CONT pages
    for i in 1 2 3 4 5; do wait_for_program $i; done
    swap_off
    say "RESULT cycles: dead $dead % at most; the manager took" \
        "$((cpu / start)).$((cpu * 10 / start % 10)) % of $start s"
    [ "$dead" -lt 15 ] || poor="$poor cycles:$dead%"
    [ $((cpu / start)) -lt 3 ] || poor="$poor manager"
}

# ---- data that compresses by chance ----

# mixed SEED
mixed ()
{
    local limit=$((ram / 4 / 1024)) total=0 n=0 each=$((ram / 8 / 1024)) r=$1
    local reached=0 now
    ours_on $limit $((ram * 2 / 1024)) >/dev/null
    second_on
    while [ $total -lt "$(footprint)" ]; do
        n=$((n + 1))
        total=$((total + each))
        r=$(((r * 1103515245 + 12345) % 2147483648))
        start_program $n $each workers=1 rounds=1 seed=$((r % 1000)) hold=1 \
            random=$((r / 65536 % 2 * 100))
        while ! count_stopped $n; do
            now=$(held)
            # The limit may be reached at any moment until the second is used.
            [ "$(used_on /dev/vda)" != 0 ] || reached=$now
            kill -0 "$(eval "echo \$pid_$n")" 2>/dev/null || fail "program $n"
            sleep 0.1
        done
    done
    no_failed_write "seed $1"
    say "seed $1: $n programs, $reached of $((limit * 1024)) KiB when the" \
        "second swap was used, now $(held), beside $(used_on /dev/vda)"
    [ "$(used_on /dev/vda)" = 0 ] || [ $((reached * 100)) -ge $((limit * 1024 * 90)) ] ||
        poor="$poor seed$1:$((reached * 100 / limit / 1024))%"
    killall -CONT pages
    for n in $(seq $n); do wait_for_program $n; done
    swap_off
    second_off
}

part_mixed ()
{
    for seed in $(seq $seeds); do mixed $seed; done
    say "RESULT mixed: $seeds seeds without a wrong byte or a failed write"
}

# ---- data that compresses well ----

part_grows ()
{
    local limit=$((ram / 5 / 1024)) n
    say "data that compresses well"
    ours_on $limit $((limit * 12))
    second_on
    # More than it can hold.
    start_program 1 $((ram / 3 / 1024 + limit * 6)) workers=1 rounds=0 \
        hold=1 kind=80
    wait_until_filled 1 1
    n=$(held)
    cat /proc/swaps
    say "RESULT grows: $(areas_on) areas, $(used_on /dev/nbd) KiB used," \
        "$((n * 100 / limit / 1024)) % of the limit"
    [ $((n * 100)) -ge $((limit * 1024 * 90)) ] || poor="$poor grows"
    no_failed_write grows
    killall -CONT pages
    wait_for_program 1
    swap_off
    second_off
}

# ---- speed ----

# speed AREAS: pages a second go to $rate.
speed ()
{
    local moved start
    swap_on $((ram * 2 / 1024))M areas=$1 algorithm=lz4 policy=off \
        mem-limit=$((ram * 9 / 16 / 1024))M
    moved=$(($(vmstat_of pswpin) + $(vmstat_of pswpout)))
    start=$(cut -d' ' -f1 /proc/uptime | tr -d .)
    run_pages "$(footprint)" rounds=2 seed=3
    rate=$((($(vmstat_of pswpin) + $(vmstat_of pswpout) - moved) * 100 /
        ($(cut -d' ' -f1 /proc/uptime | tr -d .) - start)))
    say "$1 areas: $rate pages a second"
    swap_off
}

part_speed ()
{
    local sum_areas=0 sum_one=0 n
    for n in $(seq $runs); do
        speed 16; sum_areas=$((sum_areas + rate))
        speed 1; sum_one=$((sum_one + rate))
        speed 1; sum_one=$((sum_one + rate))
        speed 16; sum_areas=$((sum_areas + rate))
    done
    say "RESULT speed: $((sum_areas * 100 / sum_one)) % of one area's"
}

# ---- all ----

poor=
for part in ${only:-rewrite cycles mixed grows speed}; do part_$part; done
kernel_is_well
[ -z "$poor" ] || fail "too much:$poor"
