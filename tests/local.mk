# SPDX-License-Identifier: GPL-2.0-or-later
# unit: the files of lib, one program each.  nbd: the server, by its clients.
# vm: swap, in a virtual machine.  Here: what is installed around them.

include tests/unit.mk
include tests/nbd.mk
include tests/vm/local.mk

install_tests = \
	tests/build-in.sh \
	tests/conf.sh \
	tests/install.sh \
	tests/manual.sh \
	tests/units.sh
TESTS += $(install_tests)
dist_check_SCRIPTS += $(install_tests)
