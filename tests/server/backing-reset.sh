#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Connections to a server of cold pages elsewhere: who is killed has sent its
# last words, and who ends leaves in peace.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/hosts.sh"

requires nbdcopy
nbdkit_zram --dump-plugin zram | grep -qx zram_backing=file,nbd ||
    skip "built without NBD for backing"
own_network
. "${srcdir:-.}/tests/lib/backing-functions.sh"

# Connections that this network has reset.
resets ()
{
    awk '$1 == "Tcp:" && !n { n = NF; for (i = 1; i <= NF; i++) if ($i == "OutRsts") f = i; next }
         $1 == "Tcp:" { print $f }' /proc/net/snmp
}
has_reset () { [ "$(resets)" -ge $(($1 + 4)) ]; }

start ()
{
    start_nbdkit zram zram $size policy=off backing="nbd://127.0.0.1:$port"
    zram=$pid
    nbdcopy "$tmp/a" "$(uri zram)"
    all_away
    [ "$(statistic bd_connections)" = 4 ] || eventually has_four
}
has_four () { [ "$(statistic bd_connections)" = 4 ]; }

start_tcp far 127.0.0.1 -t 1 memory 64M
start
before=$(resets)
stop_nbdkit "$zram"
[ "$(resets)" = "$before" ] || fail "$(resets) resets instead of $before"
start
stop_nbdkit "$zram" KILL
eventually has_reset "$before" || fail "$(resets) resets after $before"
