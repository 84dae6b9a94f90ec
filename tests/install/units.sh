#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd understands its units, no boot goes in circles, and what they run
# is what they should.
. "${srcdir:-.}/tests/lib/functions.sh"

requires systemd-analyze
units=$top_builddir/systemd
[ -e "$units/nbdzram.service" ] || skip "the units were not built"

# Programs as they are here, and no units but systemd's and ours.  What was
# configured for a directory in /tmp goes in circles where that is a mount.
dir=$tmp/units
mkdir "$dir"
here=$(cd "$top_builddir/command" && pwd)
for unit in nbdzram.service nbdzram@.service nbdzram-swap@.service \
        nbdzram-mount@.service nbdzram-metrics@.service; do
    ! grep -q '@[a-z]*dir@' "$units/$unit" ||
        fail "$unit: $(grep '@[a-z]*dir@' "$units/$unit")"
    sed -e "/^Exec/s|[^ =]*/nbdzram |$here/nbdzram |" \
        -e '/^RequiresMountsFor=/s|=.*|=/usr/bin /etc/nbdzram /var/lib|' \
        "$units/$unit" >"$dir/$unit"
done
cp "$srcdir/systemd/nbdzram-metrics.socket" "$dir"
export SYSTEMD_UNIT_PATH=$dir:

verify ()
{
    timeout 60 systemd-analyze verify --man=no "$@" 2>&1 || :
}

cat >"$dir/nothing.service" <<'END'
[Service]
ExecStart=/bin/sh
END
out=$(verify "$dir/nothing.service")
[ -z "$out" ] || skip "systemd-analyze does not work here: $out"
sed 's/ExecStart=/ExecSrart=/' "$dir/nothing.service" >"$dir/wrong.service"
[ "$(verify "$dir/wrong.service")" ] || fail "it finds nothing"

for unit in nbdzram.service nbdzram@disk.service nbdzram-swap@swap0.service \
        nbdzram-mount@data.service nbdzram-metrics.socket \
        nbdzram-metrics@0.service; do
    out=$(verify "$dir/$unit")
    [ -z "$out" ] || fail "$unit: $out"
done
grep -q '^ExecStart=.*/nbdzram serve zram0$' "$dir/nbdzram.service"
! grep -q '%' "$dir/nbdzram.service" || fail "nbdzram.service is no template"

# ---- sandbox ----

# exposed UNIT MOST: at most so much of what systemd counts, of 100.
exposed ()
{
    timeout 60 systemd-analyze security --offline=true --no-pager \
        --threshold="$2" "$dir/$1" >"$tmp/exposure" 2>&1
}
cat >"$dir/open.service" <<'END'
[Service]
ExecStart=/bin/sh
END
! exposed open.service 80 || fail "nothing is exposed: $(cat "$tmp/exposure")"
for unit in nbdzram.service nbdzram@.service; do
    exposed $unit 39 || fail "$unit: $(tail -n 1 "$tmp/exposure")"
done
# The whole machine may connect to it.
exposed nbdzram-metrics@.service 19 ||
    fail "nbdzram-metrics@.service: $(tail -n 1 "$tmp/exposure")"
for unit in nbdzram-swap@.service nbdzram-mount@.service; do
    exposed $unit 58 || fail "$unit: $(tail -n 1 "$tmp/exposure")"
    # What they mount is for the machine.
    ! grep '^\(Protect[A-Z]\|Private\|ReadOnly\|ReadWrite\|Inaccessible\)' \
        "$dir/$unit" | grep -v '^ProtectHostname=' >"$tmp/own" ||
        fail "$unit has mounts of its own: $(cat "$tmp/own")"
done

# ---- drop-ins ----

# Those in the manuals, each by itself.
# drop_ins PAGE: writes them to $tmp/drop-in.1, and so on.
drop_ins ()
{
    rm -f "$tmp"/drop-in.*
    awk -v prefix="$tmp/drop-in." '
        /^ \[(Unit|Service)\]$/ { file = prefix (++n) }
        /^ / && file { print substr ($0, 2) >file; next }
        { file = "" }' "$srcdir/man/$1"
}
for pair in nbdzram-serve.pod:nbdzram@.service:2 \
        nbdzram-swapon.pod:nbdzram-swap@.service:3 \
        nbdzram-mount.pod:nbdzram-mount@.service:1; do
    IFS=: read -r page unit count <<<"$pair"
    drop_ins "$page"
    [ "$(ls "$tmp"/drop-in.* | wc -l)" = "$count" ] ||
        fail "$page: $(head "$tmp"/drop-in.*)"
    for file in "$tmp"/drop-in.*; do
        mkdir "$dir/$unit.d"
        cp "$file" "$dir/$unit.d/test.conf"
        out=$(verify "$dir/${unit/@/@x}")
        [ -z "$out" ] || fail "$page: $(cat "$file"): $out"
        rm -r "$dir/$unit.d"
    done
done

# ---- order ----

# Where /tmp is a tmpfs, as in Fedora, other swap comes before
# local-fs.target.
cat >"$dir/tmp.mount" <<'END'
[Unit]
DefaultDependencies=no
Conflicts=umount.target
Before=local-fs.target umount.target
After=swap.target
[Mount]
What=tmpfs
Where=/tmp
Type=tmpfs
END
mkdir "$dir/local-fs.target.wants" "$dir/swap.target.wants" \
    "$dir/multi-user.target.wants"
ln -s ../tmp.mount "$dir/local-fs.target.wants"
ln -s ../nbdzram-swap@.service \
    "$dir/swap.target.wants/nbdzram-swap@swap0.service"
mkdir "$dir/sysinit.target.wants"
ln -s ../nbdzram-mount@.service \
    "$dir/sysinit.target.wants/nbdzram-mount@data.service"
ln -s ../nbdzram.service "$dir/multi-user.target.wants"

cycles ()
{
    verify sysinit.target multi-user.target | grep 'cycle' || :
}
[ -z "$(cycles)" ] || fail "$(cycles)"
cp "$dir/nbdzram-swap@.service" "$tmp/right"
sed -i 's/^Before=sysinit.target/&\nAfter=basic.target/' \
    "$dir/nbdzram-swap@.service"
[ "$(cycles)" ] || fail "a boot that goes in circles is not noticed"
cp "$tmp/right" "$dir/nbdzram-swap@.service"

# Swap on another machine comes after the network, by the edit that
# nbdzram-swap(7) describes, and by nothing less.
far ()
{
    sed "$@" "$tmp/right" >"$dir/nbdzram-swap@far.service"
    ln -sf ../nbdzram-swap@far.service "$dir/multi-user.target.wants"
}
online='Wants=network-online.target\nAfter=network-online.target'
mkdir "$dir/network-online.target.wants"
cat >"$dir/wait-online.service" <<'END'
[Unit]
Before=network-online.target
[Service]
Type=oneshot
ExecStart=/bin/true
END
ln -s ../wait-online.service "$dir/network-online.target.wants"
far "s/^Before=sysinit.target/$online/"
[ -z "$(cycles)" ] || fail "$(cycles)"
far "s/^Before=sysinit.target/&\n$online/"
[ "$(cycles)" ] || fail "swap before the network and after it is not noticed"
rm "$dir/nbdzram-swap@far.service" \
    "$dir/multi-user.target.wants/nbdzram-swap@far.service"
for unit in nbdzram.service nbdzram@.service; do
    grep -qx 'After=network-online.target' "$dir/$unit" || fail "$unit"
done

# ---- stopping ----

# The command of ExecStop of a unit, as systemd would run it, with a program
# that records what it is asked for and ends with a given code.
stop_of ()
{
    sed -n "s/^ExecStop=.*sh -c '\(.*\)'/\1/p" "$units/$1" |
        sed -e 's/\$\$/$/g' -e 's/%i/name/g' \
            -e "s|[^ ]*/nbdzram |$tmp/recorder |" >"$tmp/stop"
    grep -q recorder "$tmp/stop" || fail "ExecStop: $(cat "$tmp/stop")"
}
cat >"$tmp/recorder" <<END
#!/bin/sh
echo "\$*" >>"$tmp/asked"
exit \${CODE:-0}
END
chmod +x "$tmp/recorder"

# stops CODE WORDS: the program ends with CODE, and was asked for WORDS.
stops ()
{
    local code=0
    : >"$tmp/asked"
    sh "$tmp/stop" || code=$?
    [ "$code" = "$1" ] && [ "$(cat "$tmp/asked")" = "$2" ] ||
        fail "stopping ends with $code after '$(cat "$tmp/asked")'"
}
for unit in swap:swapoff mount:umount; do
    stop_of "nbdzram-${unit%:*}@.service"
    asked="${unit#*:} --no-systemd name"
    unset MAINPID
    stops 0 ''
    export MAINPID=17
    stops 0 "$asked"
    CODE=3 stops 0 "$asked"
    CODE=1 stops 1 "$asked"
    unset MAINPID
    grep -q "^ExecStopPost=.*/nbdzram ${unit#*:} --after-unit %i\$" \
        "$dir/nbdzram-${unit%:*}@.service" || fail "ExecStopPost"
done

# It is stopped before systemd's own unit for the device, and covers that.
grep -q '^After=.* swap.target$' "$dir/nbdzram-swap@.service" ||
    fail "the order of stopping"

# Nothing but the supervisor is ever sent a signal.
for unit in nbdzram@.service nbdzram-swap@.service nbdzram-mount@.service; do
    for line in KillMode=process SendSIGKILL=no OOMPolicy=continue \
            RuntimeDirectoryPreserve=yes; do
        grep -qx "$line" "$dir/$unit" || fail "$unit: no $line"
    done
done

# ---- metrics ----

# Only this machine can connect.
grep -qx 'ListenStream=127.0.0.1:[0-9]*' "$dir/nbdzram-metrics.socket"
port=$(sed -n 's/^ListenStream=.*://p' "$dir/nbdzram-metrics.socket")
[ "$(grep -c '^Listen' "$dir/nbdzram-metrics.socket")" = 1 ] ||
    fail "it listens at more"
# The manual has the same port.
[ "$(grep -o 'localhost:[0-9]*' "$srcdir/man/nbdzram-metrics.pod" |
     sort -u)" = "localhost:$port" ] || fail "the port in the manual"

# ---- hibernation ----

drop_in=$srcdir/systemd/nbdzram.conf
glob=$(sed -n 's/^AssertPathExistsGlob=!//p' "$drop_in")
[ "$glob" = '/run/nbdzram/*.swap' ] || fail "$glob"
mkdir "$dir/systemd-hibernate.service.d"
cp "$drop_in" "$dir/systemd-hibernate.service.d"
out=$(verify "$dir/systemd-hibernate.service.d/../nothing.service")
[ -z "$out" ] || fail "$out"

may_hibernate ()
{
    systemd-analyze condition "AssertPathExistsGlob=!$tmp${glob#/run}" \
        >/dev/null 2>&1
}
mkdir -p "$tmp/nbdzram"
touch "$tmp/nbdzram/swap0.attach"
may_hibernate || fail "no hibernation, though there is no swap"
touch "$tmp/nbdzram/swap0.swap"
! may_hibernate || fail "hibernation, though there is swap"
