#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What nbdzram mount and umount refuse before they do anything: no server is
# started, and no file is left.
. "${srcdir:-.}/tests/lib/functions.sh"

export NBDZRAM_CONF_DIR=$tmp/conf
mkdir "$NBDZRAM_CONF_DIR" "$tmp/dir"

exits 2 'the directory, or the name, is missing' mount
exits 2 'the directory, or the name, is missing' umount
exits 2 'is one argument too many' mount "$tmp/dir" other
exits 2 'one argument too many' umount a b
exits 2 "'a/b' is no name, nor a directory" mount a/b
exits 2 '/ gives no name: use NAME mount-point=/' mount /
exits 2 '/a,b gives no name: use NAME mount-point=/a,b' umount /a,b
exits 2 'unknown option --frob' mount --frob /tmp

[ "$(id -u)" = 0 ] || {
    exits 1 'mount: data: this needs root' mount data
    exits 1 'umount: data: this needs root' umount data
    exit 0
}

# refuses ERROR ARGS...: nbdzram mount, and nothing is left.
refuses ()
{
    local error=$1
    shift
    exits 1 "$error" mount "$@"
    [ ! "$(ls "$XDG_RUNTIME_DIR/nbdzram" 2>/dev/null)" ] ||
        fail "$*: left: $(ls "$XDG_RUNTIME_DIR/nbdzram")"
}

name=${tmp#/}
name=${name//\//-}-dir
refuses "mount: $name: the size is missing" "$tmp/dir"
refuses 'mount: data: mount-point is missing' --size=64M data
refuses 'mount-point: .no. is no path that begins with' data mount-point=no
refuses "$tmp/none: No such file or directory" --size=64M "$tmp/none"
touch "$tmp/file"
refuses "$tmp/file is no directory" --size=64M data "mount-point=$tmp/file"
refuses "fs-type: 'vfat' must be ext4, or xfs, or btrfs" --type=vfat "$tmp/dir"
refuses "mode: '17777' is not a whole number from 0 to 7777" --mode=17777 \
    "$tmp/dir"
refuses 'mode: 1778 has a digit above 7' --size=64M --mode=1778 "$tmp/dir"
refuses 'remote: a disk that is mounted is of a server here' "$tmp/dir" \
    remote=nbd://192.0.2.7
exits 3 'umount: data: there is no such disk' umount data
exits 3 "umount: $name: there is no such disk" umount "$tmp/dir"

# Such a disk is not for swap.
printf 'size = 64M\nmount-point = %s\n' "$tmp/dir" >"$NBDZRAM_CONF_DIR/data.conf"
exits 1 'swapon: data: mount-point: this disk is for nbdzram mount' swapon data

# The disk of this name is mounted on another directory: both stay.
export NBDZRAM_ROOT=$tmp/root
mkdir -p "$NBDZRAM_ROOT/proc/self" "$XDG_RUNTIME_DIR/nbdzram" "$tmp/a/b" "$tmp/a-b"
printf '%s\n' "/dev/nbd1000 $tmp/a/b ext4 rw 0 0" >"$NBDZRAM_ROOT/proc/self/mounts"
name=${tmp#/}
name=${name//\//-}-a-b
echo '{"devices":["/dev/nbd1000"],"priority":0}' \
    >"$XDG_RUNTIME_DIR/nbdzram/$name.swap"
exits 1 "umount: $name: the disk is mounted on $tmp/a/b, and not on $tmp/a-b" \
    umount --no-systemd "$tmp/a-b"
[ -e "$XDG_RUNTIME_DIR/nbdzram/$name.swap" ] || fail "undone"
