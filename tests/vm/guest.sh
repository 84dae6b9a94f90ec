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
    dmesg | tail -n 40
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
# been told by a signal, and the kernel says these.
kernel_is_well ()
{
    local bad
    bad=$(dmesg | grep -i -e 'out of memory' -e 'oom-kill' -e 'Killed process' \
        -e 'I/O error' -e 'Read-error on swap' -e 'hung task' -e 'blocked for more' \
        -e 'BUG:' -e 'WARNING:' -e 'general protection') &&
        fail "the kernel says: $bad"
    return 0
}

# KiB of a line of /proc/meminfo.
meminfo () { awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo; }
vmstat_of () { awk -v key="$1" '$1 == key { print $2 }' /proc/vmstat; }

# a field of the one line that pages prints
field () { echo "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"; }

# eventually SECONDS COMMAND...
eventually ()
{
    local i=0 limit=$(($1 * 5))
    shift
    while [ $i -lt $limit ]; do
        "$@" && return 0
        sleep 0.2
        i=$((i + 1))
    done
    return 1
}

