# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The kernel's zram, as a peer to compare memory with.  Needs $data, $size
# and $pages; who fills it resets it, also when the script ends early.

zram=/sys/block/zram0

restore=$(sed 's/.*\[\(.*\)\].*/\1/' $zram/comp_algorithm 2>/dev/null || :)
reset_kernel_zram () {
    echo 1 > $zram/reset
    echo "$restore" > $zram/comp_algorithm
}

# Why the kernel's zram can't be used; nothing when it can.
kernel_zram_missing () {
    if [ ! -e $zram ]; then
        echo "no /dev/zram0 (modprobe zram)"
    elif [ ! -w $zram/disksize ]; then
        echo "only root may use /dev/zram0"
    elif [ "$(cat $zram/initstate)" != 0 ]; then
        echo "/dev/zram0 is in use"
    elif ! grep -qw "$1" $zram/comp_algorithm; then
        echo "this kernel's zram has no $1"
    fi
}

seconds_of_dd () { awk '/copied/ { print $(NF - 3) }'; }

# A slot is 16 bytes of memory that mm_stat leaves out.
kernel_zram_used () {
    awk -v n="$pages" '{ print $3 + 16 * n }' $zram/mm_stat
}

# fill_kernel_zram ALGORITHM: with $data; prints what dd says.
fill_kernel_zram () {
    echo "$1" > $zram/comp_algorithm
    echo "$size" > $zram/disksize
    dd if="$data" of=/dev/zram0 bs=4k oflag=direct conv=notrunc 2>&1
}
