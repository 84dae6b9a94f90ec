# SPDX-License-Identifier: GPL-2.0-or-later
# What is installed.

install_tests = \
	tests/install/build-in.sh \
	tests/install/includes.sh \
	tests/install/install.sh \
	tests/install/manual.sh \
	tests/install/units.sh
