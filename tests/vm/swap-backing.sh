#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A backing file takes what the pool has no room for, while the server is
# killed: on a disk of the machine's, as a block device and as a file.
. "${srcdir:-.}/tests/vm/host.sh"
disks=$(mktemp -d)
trap 'rm -rf "$disks"' EXIT
truncate -s 400M "$disks/device" "$disks/ext4"
PATH=$PATH:/usr/sbin:/sbin mkfs.ext4 -q "$disks/ext4"
for disk in device ext4; do
    NBDZRAM_VM_ARGS="${NBDZRAM_VM_ARGS:-} -drive \
file=$disks/$disk,format=raw,if=virtio,cache=unsafe"
done
export NBDZRAM_VM_ARGS
(boot 1500 320M)
exit
#### guest ####
modprobe virtio_pci
modprobe virtio_blk
eventually test -b /dev/vdb || fail "no disk"
for what in device file; do
    say "backing is a $what"
    if [ $what = device ]; then
        swap_on 500M mem-limit=60M backing=/dev/vda writeback-watermark=50
    else
        mount -t ext4 /dev/vdb /mnt || fail "mount"
        swap_on 500M mem-limit=60M backing=/mnt/cold backing-size=300M \
            writeback-watermark=50
    fi
    # Reads from the disk are what takes the time.
    mib=$(($(footprint) * 3 / 4))
    (pages $mib workers=2 rounds=0 seed="${seed:-500}" \
        >/tmp/line 2>&1; echo $? >/tmp/code) &
    n=0
    while [ $n -lt 3 ]; do
        sleep 5
        kill -9 "$(server_pid)" || fail "no server"
        n=$((n + 1))
    done
    wait
    cat /tmp/line
    [ "$(cat /tmp/code)" = 0 ] || fail "see above"
    nbdzram status swap0
    # The programs have ended, and their pages may be gone.
    written=$(pool_number bd_written)
    [ "$written" -gt 1000000 ] || fail "$written bytes were written back"
    swap_off
done
umount /mnt || fail "umount"
kernel_is_well
