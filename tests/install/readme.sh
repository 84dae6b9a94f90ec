#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Each command in the README works as it is written there.  Those that change
# the machine are tried elsewhere; the list below tells where.
. "${srcdir:-.}/tests/lib/functions.sh"

requires unshare ip nbdkit nbdinfo pgrep
[ ! "${NBDZRAM_PRELOAD:-}" ] || skip "nbdkit needs the sanitizer preloaded"

# A machine of our own: mounts, network and processes.
if [ ! "${NBDZRAM_README:-}" ]; then
    unshare -rmnpf --mount-proc true 2>/dev/null ||
        skip "no namespaces here"
    srcdir=$(cd "$srcdir" && pwd) top_builddir=$(cd "$top_builddir" && pwd)
    export srcdir top_builddir
    self=$srcdir/tests/install/readme.sh
    NBDZRAM_README=1 TMPDIR=$tmp unshare -rmnpf --mount-proc bash "$self" ||
        exit $?
    exit 0
fi
ip link set lo up
ip address add 192.0.2.1/32 dev lo       # the client that may use guest1
for dir in /run /var/lib /etc/systemd; do
    mount -t tmpfs tmpfs $dir || skip "can't mount on $dir"
done
unset XDG_RUNTIME_DIR

mkdir "$tmp/bin" "$tmp/here"
ln -s "$nbdzram" "$nbdzramd" "$tmp/bin"
printf '#!/bin/sh\nPATH=%s exec "%s/run" nbdkit "$@"\n' "$PATH" \
    "$top_builddir" >"$tmp/bin/nbdkit"
chmod +x "$tmp/bin/nbdkit"
PATH=$tmp/bin:$PATH
export NBDZRAMD=$nbdzramd        # until it is installed
cd "$tmp/here"
printf '[zram0]\nzram-size = ram / 2\n' |
    tee zram-generator.conf >/etc/systemd/zram-generator.conf

# The blocks of code; a line that goes on in the next one is one command.
sed -n 's/^    //p' "$srcdir/README.md" |
    sed -e ':again' -e '/\\$/{ N; s/\\\n *//; b again; }' >"$tmp/commands"
[ "$(wc -l <"$tmp/commands")" -ge 25 ] || fail "$(cat "$tmp/commands")"

# serves COMMAND: it goes on in the background, and an export is there.
serves ()
{
    local uri=nbd://localhost
    stop_servers
    case $1 in
        *-U*) uri='nbd+unix:///?socket=/run/zram.sock' ;;
        *guest1*) uri=nbd://192.0.2.1/guest1 ;;
    esac
    bash -c "$1" >"$tmp/serves.log" 2>&1 &
    eventually nbdinfo --size "$uri" >"$tmp/size" 2>&1 ||
        fail "$1: $(cat "$tmp/serves.log" "$tmp/size")"
    [ "$(tail -n 1 "$tmp/size")" = $((8 << 30)) ] ||
        fail "$1: $(cat "$tmp/size")"
}

# All of this namespace, but for this script.
stop_servers ()
{
    local pid
    for pid in $(pgrep 'nbdkit|nbdzram'); do
        kill -9 "$pid" 2>/dev/null || :
    done
    none_runs () { ! pgrep 'nbdkit|nbdzram' >/dev/null; }
    eventually none_runs || fail "servers stay: $(ps ax)"
    rm -rf /run/nbdzram /run/zram.sock /var/lib/cold
}

# prints COMMAND: it prints something, and goes on.
prints ()
{
    local pid
    # What an earlier command has printed says nothing of this one, which a
    # signal could then reach before it begins.
    rm -f "$tmp/prints"
    bash -c "exec $1" >"$tmp/prints" 2>&1 &
    pid=$!
    eventually [ -s "$tmp/prints" ] || fail "$1 prints nothing"
    kill "$pid" 2>/dev/null || :
    wait "$pid" || [ $? = 143 ] || fail "$1: $(cat "$tmp/prints")"
}

# does COMMAND
does ()
{
    bash -c "$1" >"$tmp/does" 2>&1 || fail "$1: $(cat "$tmp/does")"
}

while read -r line; do
    command=${line%%  #*}
    command=${command%"${command##*[! ]}"}
    how=''
    case $command in
        'nbdzramd '*|'nbdkit '*|'nbdzram serve '*)
            how=here; serves "$command" ;;
        'nbdzram top'*|'nbdzram status'*)
            how=here; prints "$command" ;;
        'nbdzram export '*|'nbdzram conf '*)
            how=here; does "$command" ;;
        './configure '*)
            # Only its options: quickstart runs the rest.
            how=here
            "$srcdir/configure" --help >"$tmp/configure"
            for option in $(grep -o -e '--[a-z-]*' <<<"$command"); do
                grep -q -e "^ *$option[= ]" "$tmp/configure" ||
                    fail "configure has no $option"
            done ;;
        'sudo ./quickstart'|'sudo ./runtests'|autoreconf*|make|'sudo make install')
            how='tests/install/next-steps.sh' ;;
        'make check') how='this is a part of it' ;;
        *apt-get*|dpkg-buildpackage*) how='tests/install/packages.sh' ;;
        'modprobe nbd'|'nbd-client '*) how='tests/vm/nbd-client.sh' ;;
        *' --remote='*) how='tests/vm/remotes.sh' ;;
        'sudo nbdzram swapon'*|'sudo nbdzram swapoff') how='tests/vm/swap.sh' ;;
        'sudo nbdzram mount '*|'sudo nbdzram umount '*) how='tests/vm/mount.sh' ;;
        'sudo systemctl '*) how='tests/vm/systemd.sh' ;;
    esac
    [ "$how" ] || fail "no test knows this command of README: $command"
    case $how in
        tests/*) [ -e "$srcdir/$how" ] || fail "$how is not there" ;;
    esac
    echo "$command: $how"
done <"$tmp/commands"
stop_servers
