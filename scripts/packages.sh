# SPDX-License-Identifier: GPL-2.0-or-later
# Install what is missing through the system's package manager.  Sourced by
# quickstart and runtests.

packages_build_apt="gcc make autoconf automake libtool pkg-config perl
    nbdkit nbdkit-plugin-dev libnbd-dev libnbd-bin
    liblz4-dev liblzo2-dev libzstd-dev libdeflate-dev libxxhash-dev
    libjansson-dev libsmartcols-dev libncurses-dev
    libnl-3-dev libnl-genl-3-dev libinih-dev"
packages_tests_apt="libcmocka-dev qemu-utils fio valgrind libc6-dbg clang
    libclang-rt-dev util-linux procps python3 socat jq gnutls-bin
    libsqlite3-dev iproute2"
packages_vm_apt="qemu-system-x86 cpio busybox-static nbd-client kmod e2fsprogs
    xfsprogs btrfs-progs mdadm fio util-linux systemd iproute2"
packages_bench_apt="gnuplot-nox"
packages_build_dnf="gcc make autoconf automake libtool pkgconf-pkg-config
    perl-podlators nbdkit nbdkit-devel nbdkit-basic-filters libnbd libnbd-devel
    lz4-devel lzo-devel libzstd-devel libdeflate-devel xxhash-devel
    jansson-devel libsmartcols-devel ncurses-devel
    libnl3-devel inih-devel"
packages_tests_dnf="libcmocka-devel qemu-img fio valgrind clang compiler-rt
    libasan libubsan libtsan util-linux procps-ng python3 socat jq gnutls-utils
    perl-interpreter perl-Pod-Checker sqlite-devel iproute"
packages_vm_dnf="qemu-system-x86-core cpio busybox nbd kmod e2fsprogs xfsprogs
    btrfs-progs mdadm fio util-linux iproute iproute-tc"
packages_bench_dnf="gnuplot"

# Is everything of a group (build, tests, vm or bench) there?
have_group () {
    local command module
    case $1 in
        build)
            set -- gcc make autoreconf libtoolize pod2man nbdkit nbdcopy nbdinfo
            module="nbdkit libnbd liblz4 lzo2 libzstd libdeflate libxxhash
                    jansson smartcols ncursesw inih
                    libnl-3.0 libnl-genl-3.0" ;;
        tests)
            set -- qemu-img qemu-io fio valgrind clang unshare nsenter ip pgrep \
                python3 socat jq certtool psktool
            module="cmocka sqlite3" ;;
        vm)
            set -- qemu-system-x86_64 cpio busybox nbd-client depmod mkfs.ext4 \
                mkfs.xfs mkfs.btrfs mdadm fio mkswap systemctl ip tc
            module=nbdkit ;;
        bench)
            set -- gnuplot
            module=nbdkit ;;
    esac
    for command; do
        PATH=$PATH:/usr/sbin:/sbin type -P "$command" >/dev/null || return 1
    done
    # shellcheck disable=SC2086
    pkg-config --exists $module 2>/dev/null
}

# install_group build|tests|vm|bench
install_group () {
    local list
    have_group "$1" && return
    if [ "$(id -u)" != 0 ]; then
        echo "$0: packages are missing: run it with sudo once" >&2
        exit 1
    fi
    if type -P apt-get >/dev/null; then
        list=packages_$1_apt
        echo "Installing packages with apt ..."
        # shellcheck disable=SC2086
        { apt-get update -q &&
              DEBIAN_FRONTEND=noninteractive \
              apt-get install -q -y --no-install-recommends ${!list}
        } >"$log" 2>&1 || fail_with_log "apt-get failed"
    elif type -P dnf >/dev/null; then
        list=packages_$1_dnf
        echo "Installing packages with dnf ..."
        # shellcheck disable=SC2086
        dnf install -q -y ${!list} >"$log" 2>&1 || fail_with_log "dnf failed"
    else
        echo "$0: neither apt-get nor dnf here; install by hand:" \
             $packages_build_apt >&2
        exit 1
    fi
}

# The output of long steps goes to $log, and is shown if they fail.
fail_with_log () {
    tail -n 40 "$log" >&2
    echo "$0: $1" >&2
    exit 1
}

# build_in DIR [configure options]: leaves a built tree in DIR.
build_in () {
    local dir=$1
    shift
    [ -x "$top/configure" ] && [ "$top/configure" -nt "$top/configure.ac" ] ||
        (cd "$top" && autoreconf -fi) >"$log" 2>&1 ||
        fail_with_log "autoreconf failed"
    mkdir -p "$dir"
    (cd "$dir" && { [ -e config.status ] || "$top/configure" "$@"; } &&
         make -j"$(nproc)") >"$log" 2>&1 || fail_with_log "building failed"
}
