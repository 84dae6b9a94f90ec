# SPDX-License-Identifier: GPL-2.0-or-later
# Stand-ins with faults on demand.

EXTRA_DIST += tests/fake/control.py tests/fake/lock-keeper.py

# An NBD server.
fake_server = tests/fake/server.c tests/fake/server.h

# nbdzram watch, on a kernel's nbd that is a process of the test.
check_PROGRAMS += tests/fake/watch
fake_kernel = tests/fake/kernel.h tests/fake/netlink.c
tests_fake_watch_SOURCES = tests/fake/watch.c command/verbs/watch.c \
	$(fake_kernel)
tests_fake_watch_LDADD = $(command_libs)
