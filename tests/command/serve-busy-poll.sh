#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# busy-poll: in NAME.conf and on the command line of serve.  A server that
# polls seldom waits for the next request of a client that sends one after
# another; one that does not poll waits for almost each.
. "${srcdir:-.}/tests/lib/functions.sh"
. "${srcdir:-.}/tests/lib/serve-functions.sh"

requires python3
[ "$(nproc)" -ge 2 ] || skip "a server that polls needs a processor for it"

requests=2000

# waits NAME: how often the threads of its server wait during many requests.
waits ()
{
    server=$(server_pid "$1") \
        PYTHONPATH=$srcdir/tests/lib python3 -B - "$run/$1.sock" $requests <<'END'
import glob, os, sys
from nbd_protocol import connect

def waits ():
    total = 0
    for path in glob.glob ("/proc/%s/task/*/status"
                           % os.environ["server"]):
        for line in open (path):
            if line.startswith ("voluntary_ctxt_switches:"):
                total += int (line.split ()[1])
    return total

client = connect (sys.argv[1])
client.read (0, 4096)
before = waits ()
for i in range (int (sys.argv[2])):
    client.read (0, 4096)
print (waits () - before)
client.disconnect ()
END
}

echo 'busy-poll = 10000' >"$NBDZRAM_CONF_DIR/a.conf"
serve a --size=16M
polling=$(waits a)
stop a

# The command line overrides the file.
serve a --size=16M busy-poll=off
waiting=$(waits a)
stop a

echo "waits of $requests requests: $polling with polling, $waiting without"
[ "$polling" -lt $((waiting / 2)) ] ||
    fail "waits with polling: $polling, without: $waiting"

exits 1 "busy-poll: '20000' is not a whole number from 0 to 10000" \
      serve a --size=16M busy-poll=20000
nothing_left
