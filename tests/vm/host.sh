# SPDX-License-Identifier: GPL-2.0-or-later
# The part of the tests of the kernel's side that runs outside the virtual
# machine.  What follows "#### guest ####" in a test runs inside.

set -eu -o pipefail
: "${srcdir:=.}" "${top_builddir:=.}"
image=$top_builddir/tests/vm/image

[ -e "$image/base.cpio" ] || {
    echo "skip: no image: make check-vm"
    exit 77
}

# boot SECONDS MEMORY [ARCHIVE...]: and end as the test in it ended.
boot ()
{
    local seconds=$1 memory=$2 archives=()
    shift 2
    for archive; do archives+=("$image/$archive.cpio"); done
    exec bash "$srcdir/tests/vm/run-vm" "$image" "$(basename "$0" .sh)" \
        "$seconds" "$memory" ${archives[@]+"${archives[@]}"}
}
