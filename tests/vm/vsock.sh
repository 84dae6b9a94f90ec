#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzramd listens at a vsock port; clients come by the loopback of vsock.
. "${srcdir:-.}/tests/vm/host.sh"
boot 300 320M
#### guest ####
modprobe vsock_loopback
uri=nbd+vsock://1:20809

serve ()
{
    nbdzramd --vsock -p 20809 -P /run/pid 16M "$@" || fail "nbdzramd"
}

end_server ()
{
    kill $(cat /run/pid)
    gone () { [ ! -e /run/pid ]; }
    eventually gone || fail "the server goes on"
}

serve
[ "$(nbdinfo --size $uri)" = 16777216 ] || fail "nbdinfo"
head -c 16777216 /dev/urandom >/tmp/written
nbdcopy /tmp/written $uri || fail "writing"
nbdcopy $uri /tmp/read || fail "reading"
cmp /tmp/written /tmp/read || fail "not what was written"
end_server

# No rule of allow= permits an address of vsock.
serve allow=0.0.0.0/0
! nbdinfo --size $uri || fail "allow="
end_server
kernel_is_well
