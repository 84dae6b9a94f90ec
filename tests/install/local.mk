# SPDX-License-Identifier: GPL-2.0-or-later
# What is installed.

install_tests = \
	tests/install/build-in.sh \
	tests/install/configure.sh \
	tests/install/dist.sh \
	tests/install/includes.sh \
	tests/install/install.sh \
	tests/install/licence.sh \
	tests/install/manual.sh \
	tests/install/readme.sh \
	tests/install/runtests.sh \
	tests/install/units.sh

# What changes the system, on one that is there for that
# (scripts/fresh-debian), and what builds everything once more.
fresh_tests = tests/install/next-steps.sh tests/install/packages.sh \
	tests/install/rpm.sh
dist_check_SCRIPTS += $(fresh_tests)
check-packages: all tests/lib/nbd-reconnect
	@tests='$(fresh_tests)'; $(run_other_tests)
.PHONY: check-packages
