# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests in the virtual machine share.  A test that returns has
# passed, if the kernel said nothing bad.

# QEMU then ends with 2 * N + 1.
exit_machine ()
{
    sync
    outb 0xf4 "$1"
    sleep 5
}

say () { echo "## $(cut -d' ' -f1 /proc/uptime) $*"; }

fail ()
{
    say "FAIL: $*"
    dmesg | grep -v -e "Other side returned" -e "I/O error, dev nbd" |
        tail -n 60
    nbdzram status 2>&1
    exit 1
}

# Called by init with the test's exit status.
end_of_test ()
{
    [ "$1" != 77 ] || exit_machine 17
    [ "$1" = 0 ] || exit_machine 18
    exit_machine 16
}

# Nothing that must never be: a reader of memory that was lost would have
# been told by a signal, and the kernel says these.  Lines with PATTERN are
# expected: kernel_is_well [PATTERN]
kernel_is_well ()
{
    local bad
    bad=$(dmesg | grep -v -e "${1:-^$}" | grep -i -e 'out of memory' -e 'oom-kill' -e 'Killed process' \
        -e 'I/O error' -e 'Read-error on swap' -e 'hung task' -e 'blocked for more' \
        -e 'BUG:' -e 'WARNING:' -e 'general protection') &&
        fail "the kernel says: $bad"
    return 0
}

# The same, where halves of a mirror die: their own errors are md's to hide.
array_is_well ()
{
    local bad
    bad=$(dmesg | grep -v -e 'I/O error, dev nbd' -e 'on dev nbd' |
        grep -i -e 'out of memory' -e 'oom-kill' -e 'Killed process' \
        -e 'I/O error' -e '-error on swap' -e 'hung task' \
        -e 'blocked for more' -e 'BUG:' -e 'WARNING:' \
        -e 'general protection' -e 'raid1:.*unrecoverable') &&
        fail "the kernel says: $bad"
    return 0
}

# How many halves a mirror lacks: one, none.
degraded () { cat /sys/block/md*/md/degraded; }
alone () { [ "$(degraded)" = 1 ]; }
both () { [ "$(degraded)" = 0 ]; }

# KiB of a line of /proc/meminfo.
meminfo () { awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo; }
vmstat_of () { awk -v key="$1" '$1 == key { print $2 }' /proc/vmstat; }

# a field of the one line that pages prints
field () { echo "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; }

# eventually COMMAND...: it succeeds, for which a busy host has ten minutes.
eventually ()
{
    local i=0
    while [ $i -lt 3000 ]; do
        "$@" && return 0
        sleep 0.2
        i=$((i + 1))
    done
    return 1
}

# ---- swap ----

# pool_number KEY: of the pool of swap0, as status has it.
pool_number ()
{
    nbdzram status --json swap0 | tr -d ' "' | tr ',{' '\n\n' |
        sed -n "s/^$1://p" | head -n 1
}

# Swap areas of ours that are on.
areas_on () { grep -c '^/dev/nbd' /proc/swaps; }

# One that the command sets up: swap_on SIZE [OPTION...].  With the parameter
# areas=N, in areas.
swap_on ()
{
    local size=$1
    shift
    nbdzram swapon swap0 --size "$size" ${areas:+areas="$areas"} "$@" \
        >/tmp/swapon.log 2>&1 || {
        cat /tmp/swapon.log
        fail "swapon"
    }
    # A synchronous read costs a millisecond in emulation: in real
    # machines 0 is right.
    echo 3 >/proc/sys/vm/page-cluster
}

swap_off ()
{
    nbdzram swapoff swap0 >/tmp/swapoff.log 2>&1 || {
        cat /tmp/swapoff.log
        fail "swapoff"
    }
    grep -q /dev/nbd /proc/swaps && fail "still: $(cat /proc/swaps)"
    eventually nothing_left || {
        ps
        fail "left over: $(ls /run/nbdzram)"
    }
}

# start_far N SIZE [KEY=VALUE...]: far1 and so on, by TCP at port 1081N.
start_far ()
{
    local n=$1 size=$2
    shift 2
    nbdzram serve far$n --daemon --swap --size "$size" \
        --listen 127.0.0.1:1081$n "$@" >/tmp/serve.log 2>&1 || {
        cat /tmp/serve.log
        fail "serve far$n"
    }
}

# signal_far N SIGNAL: to all that it consists of.
# shellcheck disable=SC2046
signal_far ()
{
    kill -"$2" $(ps -o pid,args | awk -v name="far$1" \
        'index ($0, name) && !/awk/ { print $1 }')
}

nothing_left () { ! pidof nbdkit nbdzramd nbdzram >/dev/null; }

# The process of ours whose command line has PATTERN.
pid_of ()
{
    ps -o pid,args | awk -v pattern="$1" \
        '/nbdzram|exe/ && index ($0, pattern) { print $1; exit }'
}

# As the supervisor has written down: a command would have to be swapped in.
server_pid ()
{
    tr '{' '\n' </run/nbdzram/swap0.run |
        sed -n 's/^"pid":\([0-9]*\),.*"state":"ready".*/\1/p' | head -n 1
}

# 1.6 times the memory of the machine, in MiB; the archive that it booted
# from, which a machine would have on a disk, is none.
ram=$(($(meminfo MemTotal) - $(meminfo Unevictable)))
footprint () { echo $((ram * 16 / 10 / 1024)); }

# ---- systemd ----

units=/etc/systemd/system

# become_systemd TEST SETTINGS: install what is needed for the swap of
# swap0.conf, which holds SETTINGS, and for TEST, as a service; and go on as
# systemd.
become_systemd ()
{
    local test=$1 settings=$2
    # bindir sbindir confdir, as the units were installed
    # shellcheck disable=SC2046
    set -- $(sed -n 's/^RequiresMountsFor=//p' \
        /lib/systemd/system/nbdzram-swap@.service)
    mkdir -p "$1" "$2" "$3" $units/swap.target.wants \
        $units/multi-user.target.wants
    [ -e "$1/nbdzram" ] || ln -s /bin/nbdzram "$1/"
    [ -e "$2/nbdzramd" ] || ln -s /bin/nbdzramd "$2/"
    # shellcheck disable=SC2059
    printf "$settings" >"$3/swap0.conf"
    ln -s /lib/systemd/system/nbdzram-swap@.service \
        $units/swap.target.wants/nbdzram-swap@swap0.service
    cat >$units/test.service <<EOF
[Service]
Type=oneshot
ExecStart=/bin/sh -c '. /lib/nbdzram/guest.sh; . /tests/$test'
EOF
    ln -s ../test.service $units/multi-user.target.wants/
    exec /lib/systemd/systemd
}

# What ends the machine, after all that systemd stops: at_the_end VERDICT,
# commands of a shell.
at_the_end ()
{
    cat >/lib/systemd/system-shutdown/verdict <<EOF
#!/bin/sh
exec >/dev/console 2>&1
. /lib/nbdzram/guest.sh
trap 'end_of_test \$?' EXIT
say "the end"
$1
EOF
    chmod +x /lib/systemd/system-shutdown/verdict
}

# Run pages, and say what it said.
run_pages ()
{
    line=$(pages "$@") || { say "$line"; fail "pages $*"; }
    say "$line"
}
