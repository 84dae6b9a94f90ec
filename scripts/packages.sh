# SPDX-License-Identifier: GPL-2.0-or-later
# Install what is missing through the system's package manager.  Sourced by
# quickstart and runtests.

packages_build_apt="gcc make autoconf automake pkg-config perl
    nbdkit nbdkit-plugin-dev libnbd-dev libnbd-bin
    liblz4-dev liblzo2-dev libzstd-dev libdeflate-dev libxxhash-dev
    libjansson-dev libsmartcols-dev libncurses-dev
    libnl-3-dev libnl-genl-3-dev libinih-dev libgnutls28-dev
    libgcrypt20-dev"
packages_tests_apt="libcmocka-dev qemu-utils fio util-linux procps python3
    socat jq gnutls-bin libsqlite3-dev iproute2 python3-libnbd fuse3
    prometheus zsh fish"
packages_valgrind_apt="valgrind libc6-dbg"
packages_lint_apt="cppcheck"
packages_fuzz_apt="clang libclang-rt-dev"
packages_packages_apt="build-essential debhelper lintian man-db systemd rpm
    cpio"
packages_debian_apt="debootstrap util-linux"
packages_vm_apt="qemu-system-x86 cpio busybox-static nbd-client kmod e2fsprogs
    xfsprogs btrfs-progs mdadm fio util-linux systemd iproute2"
packages_bench_apt="gnuplot-nox"
packages_build_dnf="gcc make autoconf automake pkgconf-pkg-config
    perl-podlators nbdkit nbdkit-devel nbdkit-basic-filters libnbd libnbd-devel
    lz4-devel lzo-devel libzstd-devel libdeflate-devel xxhash-devel
    jansson-devel libsmartcols-devel ncurses-devel
    libnl3-devel inih-devel gnutls-devel libgcrypt-devel"
packages_tests_dnf="libcmocka-devel qemu-img fio libasan libubsan libtsan
    util-linux procps-ng python3 socat jq gnutls-utils perl-interpreter
    perl-Pod-Checker sqlite-devel iproute python3-libnbd fuse3 zsh fish"
packages_valgrind_dnf="valgrind"
packages_lint_dnf="cppcheck"
packages_fuzz_dnf="clang compiler-rt"
packages_vm_dnf="qemu-system-x86-core cpio busybox nbd kmod e2fsprogs xfsprogs
    btrfs-progs mdadm fio util-linux iproute iproute-tc"
packages_bench_dnf="gnuplot"

# What configure looks for, which is also what pkg-config must know.
modules_build="nbdkit libnbd liblz4 lzo2 libzstd libdeflate libxxhash jansson
    smartcols ncursesw inih libnl-3.0 libnl-genl-3.0 gnutls
    libgcrypt"
modules_tests="cmocka sqlite3"
commands_build="gcc make autoreconf pod2man nbdkit nbdcopy nbdinfo"
commands_tests="qemu-img qemu-io fio unshare nsenter ip pgrep python3 socat jq
    certtool psktool nbdsh fusermount3 zsh fish"
# Fedora has no package of this name; the tests that need it are skipped.
! type -P apt-get >/dev/null || commands_tests+=" promtool prometheus"
commands_valgrind="valgrind"
commands_lint="cppcheck"
commands_fuzz="clang"
commands_vm="qemu-system-x86_64 cpio busybox nbd-client depmod mkfs.ext4
    mkfs.xfs mkfs.btrfs mdadm fio mkswap systemctl ip tc"
commands_bench="gnuplot"
commands_packages="g++ dh lintian man systemd-analyze rpmbuild cpio"
commands_debian="debootstrap unshare setpriv"

# missing_of GROUP: the commands and modules of a group that are not there.
missing_of () {
    local commands=commands_$1 modules=modules_$1 name

    for name in ${!commands}; do
        PATH=$PATH:/usr/sbin:/sbin type -P "$name" >/dev/null || echo "$name"
    done
    for name in ${!modules:-}; do
        pkg-config --exists "$name" 2>/dev/null || echo "$name"
    done
}

# install_group build|tests|lint|valgrind|fuzz|vm|bench|packages|debian
install_group () {
    local list missing started

    # shellcheck disable=SC2046
    missing=$(echo $(missing_of "$1"))
    [ "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "$0: $missing: not installed; run it with sudo once" >&2
        exit 1
    fi
    if type -P apt-get >/dev/null; then
        list=packages_$1_apt
        echo "Installing packages with apt ..."
        # Debian starts what it installs; tests start a prometheus of their own.
        started=
        type -P prometheus >/dev/null || started=prometheus
        # shellcheck disable=SC2086
        { apt-get update -q &&
              DEBIAN_FRONTEND=noninteractive \
              apt-get install -q -y --no-install-recommends ${!list}
        } >"$log" 2>&1 || fail_with_log "apt-get failed"
        if [ "$started" ] && [ -d /run/systemd/system ] &&
           type -P prometheus >/dev/null; then
            systemctl --quiet disable --now prometheus >>"$log" 2>&1 || :
        fi
    elif type -P dnf >/dev/null; then
        list=packages_$1_dnf
        echo "Installing packages with dnf ..."
        # shellcheck disable=SC2086
        dnf install -q -y ${!list} >"$log" 2>&1 || fail_with_log "dnf failed"
    else
        echo "$0: $missing: not installed, and neither apt-get nor dnf is here" \
             >&2
        exit 1
    fi
}

# The output of long steps goes to $log, and is shown if they fail.
fail_with_log () {
    tail -n 40 "$log" >&2
    echo "$0: $1" >&2
    exit 1
}

# The tree in which users build: what they install from it is where nbdkit,
# systemd and nbdzram look for it.
installed_options="--prefix=/usr --sysconfdir=/etc --with-plugindir=nbdkit
    --with-systemdsystemunitdir=systemd"

# A tree stays its owner's when root builds in it.
give_to_owner () {
    local owner
    owner=$(stat -c %u:%g "$top")
    [ "$(id -u)" = 0 ] && [ "$owner" != 0:0 ] || return 0
    find "$top" -xdev -uid 0 -exec chown -h "$owner" {} + || :
}

# What a tree is configured for: the options in the first line, then what
# configure finds.
configured_for () {
    local name

    echo "$top ${CC:-} ${CPPFLAGS:-} ${CFLAGS:-} ${LDFLAGS:-} $*"
    for name in $modules_build $modules_tests; do
        echo "$name $(pkg-config --modversion "$name" 2>/dev/null || :)"
    done
    type -P pod2man valgrind || :
}

# configure_in DIR [OPTIONS]: anew, unless nothing has changed.  What was
# compiled with other options is compiled again.
configure_in () {
    local dir=$1 stamp=$1/configured-for wanted known=''
    shift

    wanted=$(configured_for "$@")
    # Older than config.status, it tells of another configure.
    [ ! -e "$dir/config.status" ] || [ "$dir/config.status" -nt "$stamp" ] ||
        known=$(cat "$stamp")
    [ "$known" != "$wanted" ] || return 0
    if [ "$dir" = "$top" ]; then
        # The user's own tree keeps the user's options.
        (cd "$dir" && ./config.status --recheck && ./config.status)
    else
        if [ -e "$dir/Makefile" ] &&
           [ "${known%%$'\n'*}" != "${wanted%%$'\n'*}" ]; then
            rm -f "$stamp"
            make -C "$dir" clean || :
        fi
        (cd "$dir" && "$top/configure" "$@")
    fi && echo "$wanted" >"$stamp"
}

# build_in DIR [OPTIONS]: leaves a tree in DIR that is built with these
# options of configure, and those in NBDZRAM_CONFIGURE.
build_in () {
    local dir=$1
    shift
    [ -x "$top/configure" ] && [ "$top/configure" -nt "$top/configure.ac" ] ||
        (cd "$top" && autoreconf -fi) >"$log" 2>&1 ||
        fail_with_log "autoreconf failed"
    mkdir -p "$dir"
    # shellcheck disable=SC2086
    configure_in "$dir" "$@" ${NBDZRAM_CONFIGURE:-} >"$log" 2>&1 ||
        fail_with_log "configuring failed"
    make -C "$dir" -j"$(nproc)" >"$log" 2>&1 || fail_with_log "building failed"
    # By now make has called config.status if configure was newer.
    touch "$dir/configured-for"
}

# not_built DIR: what configure left out, for want of a package.
not_built () {
    sed -n 's/^S\["HAVE_\(.*\)_TRUE"\]="#"$/\1/p' "$1/config.status" |
        tr '[:upper:]' '[:lower:]'
}
