# SPDX-License-Identifier: GPL-2.0-or-later
# The server as its clients see it.

# What the plugin does, with requests, connections and maintenance at once.
server_tests = \
	tests/allow.sh \
	tests/backing-faults.sh \
	tests/backing-mirror.sh \
	tests/backing-nbd.sh \
	tests/backing-reset.sh \
	tests/backing-stale.sh \
	tests/bad-parameters.sh \
	tests/bad-pool.sh \
	tests/client-fio.sh \
	tests/client-nbdcopy.sh \
	tests/client-qemu-tls.sh \
	tests/client-qemu.sh \
	tests/clients.sh \
	tests/control-hostile.sh \
	tests/control-pages.sh \
	tests/control-requests.sh \
	tests/control-set.sh \
	tests/control-socket.sh \
	tests/control-writeback.sh \
	tests/dictionary.sh \
	tests/export-command.sh \
	tests/export-played.sh \
	tests/exports.sh \
	tests/flags.sh \
	tests/kill-at-start.sh \
	tests/kill-exports.sh \
	tests/kill-maintenance.sh \
	tests/kill.sh \
	tests/map-64T.sh \
	tests/mem-limit.sh \
	tests/model-algorithms.sh \
	tests/model-far-killed.sh \
	tests/model-maintenance.sh \
	tests/model-page-sizes.sh \
	tests/model-pool.sh \
	tests/no-allocation.sh \
	tests/pool-full-tmpfs.sh \
	tests/pool-hugetlbfs.sh \
	tests/stats.sh \
	tests/tls.sh \
	tests/trim-memory.sh

# Below filters of nbdkit.
filter_tests = \
	tests/filter-blocksize.sh \
	tests/filter-cache.sh \
	tests/filter-checkwrite.sh \
	tests/filter-cow.sh \
	tests/filter-delay.sh \
	tests/filter-error.sh \
	tests/filter-exitlast.sh \
	tests/filter-exportname.sh \
	tests/filter-fua.sh \
	tests/filter-ip.sh \
	tests/filter-limit.sh \
	tests/filter-log.sh \
	tests/filter-multi-conn.sh \
	tests/filter-noextents.sh \
	tests/filter-nozero.sh \
	tests/filter-offset.sh \
	tests/filter-partition.sh \
	tests/filter-pause.sh \
	tests/filter-rate.sh \
	tests/filter-readahead.sh \
	tests/filter-retry.sh \
	tests/filter-stats.sh \
	tests/filter-truncate.sh \
	tests/filters-large.sh

# The command nbdzram, and whole machines.
command_tests = \
	tests/analyze.sh \
	tests/check.sh \
	tests/command-help.sh \
	tests/completion.sh \
	tests/dial.sh \
	tests/hardening.sh \
	tests/help.sh \
	tests/holder.sh \
	tests/hosts-allow.sh \
	tests/hosts-bandwidth.sh \
	tests/hosts-open.sh \
	tests/metrics.sh \
	tests/remote-status.sh \
	tests/root-session.sh \
	tests/serve-adopt.sh \
	tests/serve-directory.sh \
	tests/serve-export.sh \
	tests/serve-gate.sh \
	tests/serve-kill.sh \
	tests/serve-stop.sh \
	tests/serve-tls.sh \
	tests/serve-upgrade.sh \
	tests/serve.sh \
	tests/swap-refusals.sh \
	tests/swap.sh \
	tests/top.sh \
	tests/watch.sh

nbd_tests = $(server_tests) $(filter_tests) $(command_tests)
TESTS += $(nbd_tests)
dist_check_SCRIPTS += $(nbd_tests)
EXTRA_DIST += \
	tests/backing-functions.sh \
	tests/credentials.sh \
	tests/functions.sh \
	tests/holder.py \
	tests/hosts.sh \
	tests/hostile.py \
	tests/played-control.py \
	tests/prometheus.py \
	tests/serve-functions.sh \
	tests/clients.py \
	tests/terminal.py

check_PROGRAMS += tests/nbd-churn tests/nbd-dial tests/nbd-kernel \
	tests/nbd-kill tests/nbd-model tests/nbd-reconnect tests/watch-played
check_LTLIBRARIES = tests/count-calls.la tests/hold-write.la \
	tests/no-freelocale.la

tests_nbd_churn_SOURCES = tests/chance.h tests/nbd-churn.c
tests_nbd_churn_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_churn_LDADD = $(LIBNBD_LIBS) -lpthread

# -rpath makes them shared; they are never installed.
tests_count_calls_la_SOURCES = tests/count-calls.c
tests_count_calls_la_LDFLAGS = -module -shared -avoid-version \
	-rpath $(abs_top_builddir)/tests
tests_hold_write_la_SOURCES = tests/hold-write.c
tests_hold_write_la_LDFLAGS = $(tests_count_calls_la_LDFLAGS)
tests_no_freelocale_la_SOURCES = tests/no-freelocale.c
tests_no_freelocale_la_LDFLAGS = $(tests_count_calls_la_LDFLAGS)

tests_nbd_model_SOURCES = tests/chance.h tests/nbd-model.c
tests_nbd_model_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_model_LDADD = $(LIBNBD_LIBS) -lpthread

if HAVE_CMOCKA
if HAVE_BACKING_NBD
check_PROGRAMS += tests/nbd-stale
tests_nbd_stale_SOURCES = tests/nbd-stale.c tests/played-server.c \
	tests/played-server.h $(unit_help)
tests_nbd_stale_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_stale_LDADD = $(unit_libs) $(LIBNBD_LIBS) -lpthread
endif
endif

tests_nbd_kill_SOURCES = tests/chance.h tests/nbd-kill.c
tests_nbd_kill_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_kill_LDADD = $(LIBNBD_LIBS) -lpthread

tests_nbd_reconnect_SOURCES = tests/chance.h tests/nbd-reconnect.c \
	server/clock.h
tests_nbd_reconnect_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server
tests_nbd_reconnect_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_reconnect_LDADD = $(LIBNBD_LIBS) -lpthread
tests_nbd_dial_SOURCES = tests/nbd-dial.c \
	plugin/parse-number.c plugin/parse-number.h \
	server/clock.h server/nbd-dial.c server/nbd-dial.h
tests_nbd_dial_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server \
	-I$(top_srcdir)/plugin
tests_nbd_dial_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
tests_nbd_dial_LDADD = $(LIBNBD_LIBS)

tests_nbd_kernel_SOURCES = tests/chance.h tests/nbd-kernel.c \
	tests/played-kernel.h server/clock.h
tests_nbd_kernel_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server

# nbdzram watch, with a kernel that is played.
tests_watch_played_SOURCES = tests/watch-played.c \
	tests/played-kernel.h tests/played-netlink.c \
	plugin/control-path.c plugin/control-path.h \
	plugin/gate.c plugin/gate.h \
	server/attach-file.c server/attach-file.h \
	server/client.c server/client.h \
	server/clock.h \
	server/device-queue.c server/device-queue.h \
	server/half.c server/half.h \
	server/kernel-file.c server/kernel-file.h \
	server/md.c server/md.h \
	server/md-setup.c server/md-setup.h \
	server/nbd-device.c server/nbd-device.h \
	server/nbd-dial.c server/nbd-dial.h \
	server/nbd-receivers.c server/nbd-receivers.h \
	plugin/parse-number.c server/options.c server/options.h \
	server/output.c server/output.h \
	server/process.c server/process.h \
	server/run-file.c server/run-file.h \
	server/run-program.c server/run-program.h \
	server/self-hardening.c server/self-hardening.h \
	server/swaps.c server/swaps.h \
	server/watch.c server/watch.h \
	server/watch-attach.c \
	server/watch-half.c \
	server/watch-ops.c \
	server/watch-say.c \
	server/watcher.c server/watcher.h
tests_watch_played_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server \
	-I$(top_srcdir)/plugin
tests_watch_played_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) \
	$(SMARTCOLS_CFLAGS) $(LIBNBD_CFLAGS)
tests_watch_played_LDADD = $(JANSSON_LIBS) $(SMARTCOLS_LIBS) $(LIBNBD_LIBS)
