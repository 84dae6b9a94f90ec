# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests share.

EXTRA_DIST += \
	tests/lib/answer.py \
	tests/lib/backing-functions.sh \
	tests/lib/clients.py \
	tests/lib/credentials.sh \
	tests/lib/functions.sh \
	tests/lib/hostile.py \
	tests/lib/hosts.sh \
	tests/lib/nbd_handshake.py \
	tests/lib/nbd_protocol.py \
	tests/lib/metrics-http.py \
	tests/lib/prometheus.py \
	tests/lib/protocol-client.py \
	tests/lib/protocol-cut.py \
	tests/lib/protocol-known-bugs.py \
	tests/lib/protocol-options.py \
	tests/lib/protocol-random.py \
	tests/lib/protocol-requests.py \
	tests/lib/protocol-slow.py \
	tests/lib/protocol-tls.py \
	tests/lib/serve-functions.sh \
	tests/lib/terminal.py

# For programs in C that test a part of the store.
check_LIBRARIES = tests/lib/libunit.a
tests_lib_libunit_a_SOURCES = tests/lib/content.h tests/lib/data.c \
	tests/lib/prng.h tests/lib/unit.c tests/lib/unit.h
LDADD = tests/lib/libunit.a $(store_libs) $(CMOCKA_LIBS)

# ---- preloaded into servers ----

check_PROGRAMS += tests/lib/count-calls.so tests/lib/hold-write.so \
	tests/lib/mlock-nothing.so tests/lib/no-freelocale.so
tests_lib_count_calls_so_SOURCES = tests/lib/count-calls.c
tests_lib_count_calls_so_LDFLAGS = $(AM_LDFLAGS) -shared
tests_lib_count_calls_so_LDADD =
tests_lib_hold_write_so_SOURCES = tests/lib/hold-write.c
tests_lib_hold_write_so_LDFLAGS = $(AM_LDFLAGS) -shared
tests_lib_hold_write_so_LDADD =
tests_lib_mlock_nothing_so_SOURCES = tests/lib/mlock-nothing.c
tests_lib_mlock_nothing_so_LDFLAGS = $(AM_LDFLAGS) -shared
tests_lib_mlock_nothing_so_LDADD =
tests_lib_no_freelocale_so_SOURCES = tests/lib/no-freelocale.c
tests_lib_no_freelocale_so_LDFLAGS = $(AM_LDFLAGS) -shared
tests_lib_no_freelocale_so_LDADD =

# ---- clients ----

check_PROGRAMS += tests/lib/conf-show tests/lib/nbd-churn \
	tests/lib/nbd-dial tests/lib/nbd-kernel tests/lib/nbd-kill \
	tests/lib/nbd-model tests/lib/nbd-reconnect tests/lib/thread-slices

tests_lib_conf_show_SOURCES = tests/lib/conf-show.c
tests_lib_conf_show_LDADD = $(command_libs)
tests_lib_nbd_churn_SOURCES = tests/lib/nbd-churn.c tests/lib/prng.h
tests_lib_nbd_churn_LDADD = $(LIBNBD_LIBS) -lpthread
tests_lib_nbd_dial_SOURCES = tests/lib/nbd-dial.c
tests_lib_nbd_dial_LDADD = $(command_libs)
tests_lib_nbd_kernel_SOURCES = tests/lib/nbd-kernel.c tests/lib/prng.h \
	tests/fake/kernel.h
tests_lib_nbd_kernel_LDADD =
tests_lib_nbd_kill_SOURCES = tests/lib/nbd-kill.c tests/lib/nbd-kill.h \
	tests/lib/nbd-kill-check.c tests/lib/nbd-kill-maintain.c \
	tests/lib/nbd-kill-requests.c tests/lib/nbd-kill-server.c \
	tests/lib/prng.h
tests_lib_nbd_kill_LDADD = $(LIBNBD_LIBS) -lpthread
tests_lib_nbd_model_SOURCES = tests/lib/nbd-model.c tests/lib/nbd-model.h \
	tests/lib/nbd-model-data.c tests/lib/nbd-model-extents.c \
	tests/lib/nbd-model-requests.c tests/lib/prng.h
tests_lib_nbd_model_LDADD = $(LIBNBD_LIBS) -lpthread
tests_lib_nbd_reconnect_SOURCES = tests/lib/nbd-reconnect.c tests/lib/prng.h
tests_lib_nbd_reconnect_LDADD = $(LIBNBD_LIBS) -lpthread
tests_lib_thread_slices_SOURCES = tests/lib/thread-slices.c
tests_lib_thread_slices_LDADD =

if HAVE_CMOCKA
if HAVE_BACKING_NBD
check_PROGRAMS += tests/lib/nbd-stale
tests_lib_nbd_stale_SOURCES = tests/lib/nbd-stale.c $(fake_server)
tests_lib_nbd_stale_LDADD = $(LDADD) $(LIBNBD_LIBS) -lpthread
endif
endif
