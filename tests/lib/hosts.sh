# SPDX-License-Identifier: GPL-2.0-or-later
# Several hosts on one machine: network namespaces, each with a cable to the
# one where the test and its servers are; after functions.sh.
#
#     HOST  198.51.100.HOST, 2001:db8:1::HOST
#     here  192.0.2.HOST, 2001:db8:2::HOST, as that host knows it
#
# All of it is gone when its processes are.

requires ip unshare nsenter

# own_network: the rest of this test is run in a network of its own, which
# needs root, or that users may make namespaces.
own_network ()
{
    local how why=''

    if [ "${NBDZRAM_NETWORK:-}" ]; then
        ip link set lo up
        return
    fi
    for how in -n -rn; do
        why=$(unshare $how ip link add name test0 type veth peer name test1 \
            2>&1) || continue
        rm -rf "$tmp"
        trap - EXIT
        NBDZRAM_NETWORK=1 exec unshare $how bash "$0"
    done
    skip "no network namespaces with veth here: $why"
}

hosts=()

# make_host HOST: a number from 1 to 9.
make_host ()
{
    local here
    here=$(readlink /proc/self/ns/net)

    unshare -n sleep infinity &
    hosts[$1]=$!
    servers+=($!)
    eventually is_elsewhere "${hosts[$1]}" "$here" || fail "no namespace"
    ip link add name "host$1" type veth peer name here netns "${hosts[$1]}"
    ip link set "host$1" up
    at "$1" ip link set lo up
    at "$1" ip link set here up
    ip addr add "192.0.2.$1" peer "198.51.100.$1" dev "host$1"
    at "$1" ip addr add "198.51.100.$1" peer "192.0.2.$1" dev here
    # Without the wait for another one that has the address.
    ! has_ipv6 || {
        ip addr add "2001:db8:2::$1" peer "2001:db8:1::$1" dev "host$1" nodad
        at "$1" ip addr add "2001:db8:1::$1" peer "2001:db8:2::$1" dev here \
            nodad
    }
}

is_elsewhere ()
{
    local there
    there=$(readlink "/proc/$1/ns/net") && [ "$there" != "$2" ]
}

has_ipv6 () { [ "$(cat /proc/sys/net/ipv6/conf/all/disable_ipv6 2>&1)" = 0 ]; }

# at HOST COMMAND...
at ()
{
    local host=$1
    shift
    nsenter -t "${hosts[$host]}" -n "$@"
}

# from HOST 4|6: the server at $port, as that host reaches it.
from ()
{
    case $2 in
        4) echo "nbd://192.0.2.$1:$port" ;;
        6) echo "nbd://[2001:db8:2::$1]:$port" ;;
    esac
}
