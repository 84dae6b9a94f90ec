#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# When swapon, swapoff and watch fail, they say why in one line, and leave
# nothing behind.
. "${srcdir:-.}/tests/lib/functions.sh"

requires nbdcopy

export NBDZRAM_CONF_DIR=$tmp/conf NBDZRAM_ROOT=$tmp/root
mkdir -p "$NBDZRAM_CONF_DIR" "$NBDZRAM_ROOT/proc/sys/vm" "$tmp/empty"
printf 'Filename Type Size Used Priority\n' >"$NBDZRAM_ROOT/proc/swaps"
printf 'MemTotal: 1048576 kB\nMemAvailable: 102400 kB\n' \
    >"$NBDZRAM_ROOT/proc/meminfo"

# ---- the command line ----

exits 2 "'a/b' can't be a name" swapon a/b
exits 2 "'a/b' can't be a name" swapoff a/b
exits 2 "'a/b' can't be a name" watch a/b --uri nbd://x
exits 2 'b is one argument too many' swapon a size=1G b
exits 2 'b is one argument too many' swapoff a b
exits 2 'NAME is missing' watch --uri nbd://x
exits 2 'where is the server' watch a
exits 2 'from 1 to 16' watch a --uri nbd://x --connections 0
exits 2 'from 1 to 16' watch a --uri nbd://x -C 17
exits 2 'timeout=0: must be from 1 to 30' watch a --uri nbd://x --timeout 0
exits 2 'timeout=31: must be from' watch a --uri nbd://x --timeout 31
exits 2 'dead-timeout=0: must be from' watch a --uri nbd://x --dead-timeout 0
exits 2 'dead-timeout=86401: must be' watch a --uri nbd://x --dead-timeout 86401
exits 2 'device=1024: must be from 0 to 1023' watch a --uri nbd://x --device 1024
exits 2 '--remote is there too often' swapon $(printf -- '--remote nbd://x %.0s' {1..9})
exits 1 'no TLS for swap' watch a --uri nbds://x

# ---- root is required ----

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$tmp"
    cp "$nbdzram" "$tmp/nbdzram"
    for verb in 'swapon --size 64M' swapoff; do
        # shellcheck disable=SC2086
        ! setpriv --reuid 65534 --clear-groups "$tmp/nbdzram" $verb \
            >"$tmp/out" 2>&1 || fail "$verb ran without root"
        [ "$(cat "$tmp/out")" = "nbdzram ${verb%% *}: swap0: this needs root" ] ||
            fail "$(cat "$tmp/out")"
    done
fi
[ "$(id -u)" = 0 ] || skip "the rest needs root"

# ---- settings ----

exits 1 "there is no $NBDZRAM_CONF_DIR/swpa0.conf" swapon swpa0
exits 1 "size: 'min(ram / 2, 4096)' is 4096 bytes, and must" \
      swapon --size 'min(ram / 2, 4096)'
exits 1 'the size is missing: swap uses the export without a name' \
      swapon export=a:size=1G
exits 1 "unknown key 'colour'" swapon colour=red
exits 1 'size: .* is more than' swapon --size 1000000G
exits 1 "size: 'x' " swapon --size x
exits 1 'size and remote' swapon --size 1G --remote nbd://x
exits 1 'mirror: of two servers at least' swapon --mirror --remote nbd://x
exits 1 'stripe: of two servers at least' swapon --stripe --size 1G
exits 1 'mirror and stripe' swapon --mirror --stripe --remote nbd://x --remote nbd://y
printf 'size = 64M\ncolour = red\n' >"$NBDZRAM_CONF_DIR/painted.conf"
exits 1 "painted.conf:2: unknown key 'colour'" swapon painted

# ---- the kernel ----

PATH=$tmp/empty:$PATH exits 1 'this kernel has no nbd' swapon --size 64M
# The usual name needs no settings, others need one.
PATH=$tmp/empty:$PATH exits 1 'this kernel has no nbd' swapon
PATH=$tmp/empty:$PATH exits 1 'this kernel has no nbd' swapon fast mem-limit=8M
exits 1 'the size is missing' swapon --attach-only
mkdir -p "$NBDZRAM_ROOT/sys/module/nbd"
if [ ! -e /sys/module/nbd ]; then
    exits 1 'this kernel has no nbd: modprobe nbd' watch a --uri nbd://localhost
fi

# ---- real-time priority is not allowed ----

mkdir -p "$NBDZRAM_ROOT/proc/sys/kernel"
echo 0 >"$NBDZRAM_ROOT/proc/sys/kernel/sched_rt_runtime_us"
for force in '' --force; do
    # shellcheck disable=SC2086
    ! nbdzram swapon --size 64M $force >"$tmp/out" 2>&1 || fail 'it can not run'
    diff - "$tmp/out" <<'END' || fail 'see above'
nbdzram swapon: swap0: missing: real-time: kernel.sched_rt_runtime_us is 0; to do: sysctl -w kernel.sched_rt_runtime_us=950000
nbdzram swapon: swap0: no server of swap can run without real-time priority
END
done
rm "$NBDZRAM_ROOT/proc/sys/kernel/sched_rt_runtime_us"

# ---- servers on other machines ----

exits 1 'Connection refused' swapon --remote nbd://127.0.0.1:1
exits 1 'no TLS for swap' swapon --remote nbds://127.0.0.1
exits 1 'No such file' swapon --remote "nbd+unix:///?socket=$tmp/none"
start_nbdkit single --filter=multi-conn memory 64M multi-conn-mode=disable
exits 1 'no more than one connection' swapon --remote "$(uri single)"
stop_nbdkit "$pid"

# ---- a server that may not attach a device ----

# box NAME [OPTION...]: a server that a supervisor has started.
export NBDZRAMD=$nbdzramd
box ()
{
    local name=$1 server
    shift
    nbdzram serve --daemon --size 64M "$name" "$@" >"$tmp/out" 2>&1 ||
        fail "$(cat "$tmp/out")"
    server=$(nbdzram status -n --raw -o PID "$name")
    supervisor=$(ps -o ppid= -p "$server" | tr -d ' ')
    servers+=("$supervisor" "$server")
    of_supervisor=$NBDZRAM_ROOT/proc/$supervisor
    mkdir -p "$of_supervisor"
}
all='CapEff: 000001ffffffffff'
started='may not attach a device, since it was started without --swap or without CAP_SYS_ADMIN: stop it'
sandbox='its server is nbdzram@boxed.service, which may not attach a device: stop that unit, .* and start nbdzram-NEW@boxed.service instead'

# As nbdzram@ starts it.
box boxed
echo "$all" >"$of_supervisor/status"
exits 1 "swapon: boxed: its server $started" swapon boxed --size 64M
echo '0::/system.slice/system-nbdzram.slice/nbdzram@boxed.service' \
    >"$of_supervisor/cgroup"
exits 1 "swapon: boxed: ${sandbox/NEW/swap}" swapon boxed --size 64M
exits 1 "swapon: boxed: ${sandbox/NEW/swap}" swapon boxed --size 64M \
    --attach-only
exits 1 "mount: boxed: ${sandbox/NEW/mount}" mount boxed --size 64M \
    mount-point="$tmp"
# Control groups version 1.
printf '%s\n' 3:memory:/user.slice/user-0.slice/session-1.service/x \
    1:name=systemd:/system.slice/nbdzram.service/server >"$of_supervisor/cgroup"
exits 1 'its server is nbdzram.service, which' swapon boxed --size 64M
nbdzram status boxed >"$tmp/out" || fail "the server has ended"
[ ! -e "$XDG_RUNTIME_DIR/nbdzram/boxed.swap" ] || fail "it left a state"
nbdzram stop --force boxed >"$tmp/out" || fail "$(cat "$tmp/out")"

# For swap, but without the capability.
if nbdkit_zram -U - zram 1M mlock=on --run true >"$tmp/try" 2>&1; then
    box poor --swap
    echo 'CapEff: 0000000000884002' >"$of_supervisor/status"
    exits 1 "swapon: poor: its server $started" swapon poor --size 64M
    echo "$all" >"$of_supervisor/status"
    ! nbdzram swapon poor --size 64M >"$tmp/out" 2>&1 || fail "attached"
    ! grep CAP_SYS_ADMIN "$tmp/out" || fail "refused: $(cat "$tmp/out")"
    nbdzram stop --force poor >"$tmp/out" || fail "$(cat "$tmp/out")"
fi
rm -r "$NBDZRAM_ROOT"/proc/[0-9]*

# ---- systemd ----

# The unit runs swapon itself; the state that this has written is read.
mkdir -p "$NBDZRAM_ROOT/run/systemd/system" "$tmp/systemd"
cat >"$tmp/systemd/systemctl" <<END
#!/bin/sh
[ "\$1" != start ] ||
    echo '{"devices":' >"$XDG_RUNTIME_DIR/nbdzram/swap0.swap"
END
chmod +x "$tmp/systemd/systemctl"
PATH=$tmp/systemd:$PATH nbdzram swapon --size 64M >"$tmp/out" 2>"$tmp/err" &&
    fail 'swapon with nothing to swap to'
grep -q '^nbdzram swapon: swap0: swap0.swap: Invalid argument$' "$tmp/err" ||
    fail "$(cat "$tmp/out" "$tmp/err")"
rmdir "$NBDZRAM_ROOT/run/systemd/system"

# ---- nothing to undo, or no room ----

exits 3 'swap0: there is no such swap' swapoff
mkdir -p "$XDG_RUNTIME_DIR/nbdzram"
echo '{"devices":["/dev/nbd0"],"priority":100}' \
    >"$XDG_RUNTIME_DIR/nbdzram/swap0.swap"
echo '/dev/nbd0 partition 1048576 512000 100' >>"$NBDZRAM_ROOT/proc/swaps"
exits 1 'swap0: 500M are swapped out, but only 100M of memory and 0B of other swap on disks are free: end programs that use 432M, or add as much other swap; --force' swapoff
[ -e "$XDG_RUNTIME_DIR/nbdzram/swap0.swap" ] || fail 'the state was removed'

# Memory of the server is no room: it frees nothing before the end.
start_nbdkit swap0 zram 64M name=swap0
dd if=/dev/urandom of="$tmp/data" bs=1M count=20 status=none
nbdcopy "$tmp/data" "$(uri swap0)"
printf '%s\n' 'Filename Type Size Used Priority' \
    '/dev/nbd0 partition 1048576 102400 100' >"$NBDZRAM_ROOT/proc/swaps"
exits 1 'swap0: 100M are swapped out, .* programs that use 32M,' swapoff
stop_nbdkit "$pid"

# A swap that is off already is removed, and its settings are restored.
printf 'Filename Type Size Used Priority\n' >"$NBDZRAM_ROOT/proc/swaps"
echo '{"changes":[
    {"name":"swap0","key":"vm.page-cluster","old":"3","new":"0"},
    {"name":"swap0","key":"vm.swappiness","old":"60","new":"150"}]}' \
    >"$XDG_RUNTIME_DIR/nbdzram/kernel.sysctls"
echo 0 >"$NBDZRAM_ROOT/proc/sys/vm/page-cluster"
echo 100 >"$NBDZRAM_ROOT/proc/sys/vm/swappiness"
nbdzram swapoff >"$tmp/out"
diff - "$tmp/out" <<'END'
vm.swappiness was changed by another program: it stays as it is
vm.page-cluster 0 -> 3
swap swap0 is off
END
[ "$(cat "$NBDZRAM_ROOT/proc/sys/vm/page-cluster")" = 3 ]
[ "$(cat "$NBDZRAM_ROOT/proc/sys/vm/swappiness")" = 100 ]

# If an array has the device, the swap is on the array.
mkdir -p "$NBDZRAM_ROOT/sys/block/nbd0/holders/md7"
echo nbdzram:swap0 >"$NBDZRAM_ROOT/sys/block/nbd0/backend"
echo 1 >"$NBDZRAM_ROOT/sys/block/nbd0/pid"
printf '{"index":0,"identifier":"nbdzram:swap0","uri":"nbd://x"}' \
    >"$XDG_RUNTIME_DIR/nbdzram/swap0.attach"
echo '/dev/md7 partition 1048576 512000 100' >>"$NBDZRAM_ROOT/proc/swaps"
exits 1 'swap0: 500M are swapped out, but only 100M of memory' swapoff
rm -r "$NBDZRAM_ROOT/sys/block" "$XDG_RUNTIME_DIR/nbdzram/swap0.attach"
printf 'Filename Type Size Used Priority\n' >"$NBDZRAM_ROOT/proc/swaps"

# A unit restores them when it is stopped; then swapoff prints nothing.
mkdir -p "$NBDZRAM_ROOT/run/systemd/system"
echo '{"devices":[],"priority":100}' \
    >"$XDG_RUNTIME_DIR/nbdzram/swap0.swap"
echo '{"changes":[
    {"name":"swap0","key":"vm.page-cluster","old":"3","new":"0"}]}' \
    >"$XDG_RUNTIME_DIR/nbdzram/kernel.sysctls"
echo 0 >"$NBDZRAM_ROOT/proc/sys/vm/page-cluster"
cat >"$tmp/systemd/systemctl" <<END
#!/bin/bash
if [ "\$1" = stop ]; then
    echo 3 >"$NBDZRAM_ROOT/proc/sys/vm/page-cluster"
    rm "$XDG_RUNTIME_DIR"/nbdzram/{swap0.swap,kernel.sysctls}
fi
END
PATH=$tmp/systemd:$PATH nbdzram swapoff >"$tmp/out"
[ "$(cat "$tmp/out")" = 'swap swap0 is off' ] || fail "$(cat "$tmp/out")"
[ "$(cat "$NBDZRAM_ROOT/proc/sys/vm/page-cluster")" = 3 ]

rmdir "$NBDZRAM_ROOT/run/systemd/system"

# ---- after all processes were killed ----

# Only the files of an earlier run exist.
state=$XDG_RUNTIME_DIR/nbdzram
mkdir -p "$NBDZRAM_ROOT/sys/module/nbd" "$NBDZRAM_ROOT/sys/block/nbd0"
echo nbdzram:swap0 >"$NBDZRAM_ROOT/sys/block/nbd0/backend"
echo '/dev/nbd0 partition 1048576 512000 100' >>"$NBDZRAM_ROOT/proc/swaps"
echo '{"devices":["/dev/nbd0"],"priority":100}' >"$state/swap0.swap"
echo 'size = 64M' >"$state/swap0.conf"
tr -d '\n' >"$state/swap0.run" <<'END'
{"version":1,"name":"swap0","pid":2000000000,"restarts":0,"last_exit":"",
 "program":"/usr/sbin/nbdkit","argv":["@nbdkit"],"pool":5,"listen":[],
 "generations":[{"pid":2000000001,"start":1,"state":"ready","version":"1",
                 "holder":{"pid":2000000002,"start":1},"fds":{}}],
 "watchers":[]}
END
echo '{"changes":[
    {"name":"swap0","key":"vm.page-cluster","old":"3","new":"0"}]}' \
    >"$state/kernel.sysctls"
echo 0 >"$NBDZRAM_ROOT/proc/sys/vm/page-cluster"
exits 1 '/dev/nbd0 is in use as swap, and the pages swapped out to it are lost' \
      swapon --size 64M
for file in swap0.swap swap0.conf swap0.run kernel.sysctls; do
    [ -e "$state/$file" ] || fail "swapon has removed $file: $(ls "$state")"
done

# The kernel has turned swap off; everything is removed, even without
# NAME.conf.
printf 'Filename Type Size Used Priority\n' >"$NBDZRAM_ROOT/proc/swaps"
rm -r "$NBDZRAM_ROOT/sys/block" "$state/swap0.conf"
nbdzram swapoff >"$tmp/out" 2>&1 || fail "swapoff: $(cat "$tmp/out")"
diff - "$tmp/out" <<'END' || fail "see above"
vm.page-cluster 0 -> 3
swap swap0 is off
END

# Nothing is left.
left=$(ls "$XDG_RUNTIME_DIR/nbdzram")
[ ! "$left" ] || fail "left: $left"
