#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A backing file takes what the pool has no room for, while the server is
# killed: on a disk of the machine's, as a block device and as a file.
disk=$(mktemp)
trap 'rm -f "$disk"' EXIT
truncate -s 400M "$disk"
export NBDZRAM_VM_ARGS="-drive file=$disk,format=raw,if=virtio,cache=unsafe"
. "${srcdir:-.}/tests/vm/host.sh"
(boot 360 320M fs)
exit
#### guest ####
modprobe virtio_pci
modprobe virtio_blk
eventually 5 test -b /dev/vda || fail "no disk"
for what in device file; do
    say "backing is a $what"
    if [ $what = device ]; then
        dd if=/dev/zero of=/dev/vda bs=1M count=2 2>/dev/null
        swap_on 500M mem-limit=60M backing=/dev/vda writeback-watermark=50
    else
        mkfs.ext4 -F -q /dev/vda && mount /dev/vda /mnt || fail "mkfs"
        swap_on 500M mem-limit=60M backing=/mnt/cold backing-size=300M \
            writeback-watermark=50
    fi
    mib=$(footprint)
    (pages $mib workers=2 rounds=1 seconds=30 seed="${seed:-500}" \
        >/tmp/line 2>&1; echo $? >/tmp/code) &
    n=0
    while [ $n -lt 5 ]; do
        sleep 5
        kill -9 "$(server_pid)" || fail "no server"
        n=$((n + 1))
    done
    wait
    cat /tmp/line
    [ "$(cat /tmp/code)" = 0 ] || fail "see above"
    nbdzram status swap0
    backed=$(nbdzram status --noheadings -o BACKED swap0 | tr -d ' ')
    [ "$backed" != 0 ] || fail "nothing was written back"
    swap_off
done
umount /mnt || fail "umount"
kernel_is_well
