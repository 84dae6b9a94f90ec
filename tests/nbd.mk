# SPDX-License-Identifier: GPL-2.0-or-later
# The server as its clients see it.

nbd_tests = \
	tests/kill.sh \
	tests/kill-at-start.sh \
	tests/model-algorithms.sh \
	tests/model-page-sizes.sh \
	tests/model-pool.sh

TESTS += $(nbd_tests)
dist_check_SCRIPTS += $(nbd_tests)
EXTRA_DIST += tests/functions.sh

if HAVE_LIBNBD
check_PROGRAMS += tests/nbd-kill tests/nbd-model
endif

tests_nbd_model_SOURCES = tests/nbd-model.c
tests_nbd_model_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_model_LDADD = $(LIBNBD_LIBS) -lpthread

tests_nbd_kill_SOURCES = tests/nbd-kill.c
tests_nbd_kill_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_kill_LDADD = $(LIBNBD_LIBS) -lpthread
