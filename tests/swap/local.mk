# SPDX-License-Identifier: GPL-2.0-or-later
# nbdzram for swap, as far as that needs no kernel with nbd.

swap_tests = \
	tests/swap/dial.sh \
	tests/swap/hardening.sh \
	tests/swap/lock-keeper.sh \
	tests/swap/refusals.sh \
	tests/swap/swap.sh \
	tests/swap/watch.sh
