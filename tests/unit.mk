# SPDX-License-Identifier: GPL-2.0-or-later
# The store, without a server.  A failed run prints its SEED:
#   SEED=12345 ./tests/unit-device
# NBDZRAM_QUICK=1 does a tenth of the work.

unit_help = tests/chance.h tests/data.c tests/unit-help.c tests/unit.h
backing_help = tests/backing-help.c tests/backing-help.h $(unit_help)
kernel_help = tests/kernel-help.c tests/kernel-help.h $(unit_help)
conf_sources = server/conf.c server/conf.h server/conf-internal.h \
	server/conf-file.c server/expression.c server/expression.h \
	server/utf8.h \
	plugin/control-path.c plugin/control-path.h \
	plugin/parse-number.c plugin/parse-number.h
conf_cppflags = -I$(top_srcdir)/server -I$(top_srcdir)/plugin \
	-DCONF_DIRECTORY='"$(sysconfdir)/nbdzram"'
unit_libs = lib/libstore.la $(CMOCKA_LIBS)

if HAVE_CMOCKA
# About what several threads do at once.
concurrent_units = \
	tests/unit-backing-threads \
	tests/unit-bits \
	tests/unit-budget \
	tests/unit-devices \
	tests/unit-dictionary \
	tests/unit-latency \
	tests/unit-stream \
	tests/unit-threads
if HAVE_BACKING_NBD
concurrent_units += tests/unit-far-end tests/unit-mirror
endif

# Those in which the store's own threads do something, too.
threaded_units = \
	tests/unit-arena \
	tests/unit-attach \
	tests/unit-dedup \
	tests/unit-live \
	tests/unit-policy \
	tests/unit-reserve \
	tests/unit-writeback

plain_units = \
	tests/unit-age \
	tests/unit-allow \
	tests/unit-analysis \
	tests/unit-backing \
	tests/unit-backing-faults \
	tests/unit-codec \
	tests/unit-compact \
	tests/unit-conf \
	tests/unit-device \
	tests/unit-dictionary-train \
	tests/unit-expression \
	tests/unit-half \
	tests/unit-kernel-file \
	tests/unit-limit \
	tests/unit-objects \
	tests/unit-pool-file \
	tests/unit-recompress \
	tests/unit-same \
	tests/unit-share \
	tests/unit-size-class \
	tests/unit-slot \
	tests/unit-stats \
	tests/unit-swap \
	tests/unit-table \
	tests/unit-tidy \
	tests/unit-top \
	tests/unit-watcher \
	tests/unit-workload

unit_programs = $(plain_units) $(threaded_units) $(concurrent_units)
check_PROGRAMS += $(unit_programs)
TESTS += $(unit_programs)

tests_unit_age_SOURCES = tests/unit-age.c $(unit_help)
tests_unit_age_LDADD = $(unit_libs)
tests_unit_allow_SOURCES = tests/unit-allow.c plugin/allow.c plugin/allow.h \
	$(unit_help)
tests_unit_allow_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugin
tests_unit_allow_LDADD = $(unit_libs)
tests_unit_analysis_SOURCES = tests/unit-analysis.c server/analysis.c \
	server/analysis.h $(unit_help)
tests_unit_analysis_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server
tests_unit_analysis_LDADD = $(unit_libs)
tests_unit_arena_SOURCES = tests/unit-arena.c $(unit_help)
tests_unit_arena_LDADD = $(unit_libs)
tests_unit_attach_SOURCES = tests/unit-attach.c $(unit_help)
tests_unit_attach_LDADD = $(unit_libs)
tests_unit_backing_SOURCES = tests/unit-backing.c $(backing_help)
tests_unit_backing_LDADD = $(unit_libs)
tests_unit_backing_faults_SOURCES = tests/unit-backing-faults.c \
	$(backing_help)
tests_unit_backing_faults_LDADD = $(unit_libs)
tests_unit_backing_threads_SOURCES = tests/unit-backing-threads.c \
	$(backing_help)
tests_unit_backing_threads_LDADD = $(unit_libs)
tests_unit_far_end_SOURCES = tests/unit-far-end.c tests/played-server.c \
	tests/played-server.h $(backing_help)
tests_unit_far_end_LDADD = $(unit_libs)
tests_unit_bits_SOURCES = tests/unit-bits.c $(unit_help)
tests_unit_bits_LDADD = $(unit_libs)
tests_unit_budget_SOURCES = tests/unit-budget.c $(unit_help)
tests_unit_budget_LDADD = $(unit_libs)
tests_unit_codec_SOURCES = tests/unit-codec.c $(unit_help)
tests_unit_codec_LDADD = $(unit_libs)
tests_unit_compact_SOURCES = tests/unit-compact.c $(unit_help)
tests_unit_compact_LDADD = $(unit_libs)
tests_unit_conf_SOURCES = tests/unit-conf.c $(conf_sources) $(unit_help)
tests_unit_conf_CPPFLAGS = $(AM_CPPFLAGS) $(conf_cppflags)
tests_unit_conf_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_conf_LDADD = $(unit_libs) $(INIH_LIBS) $(JANSSON_LIBS)
tests_unit_dedup_SOURCES = tests/unit-dedup.c $(unit_help)
tests_unit_dedup_LDADD = $(unit_libs)
tests_unit_device_SOURCES = tests/unit-device.c $(unit_help)
tests_unit_device_LDADD = $(unit_libs)
tests_unit_devices_SOURCES = tests/unit-devices.c $(unit_help)
tests_unit_devices_LDADD = $(unit_libs)
tests_unit_dictionary_SOURCES = tests/unit-dictionary.c $(unit_help)
tests_unit_dictionary_LDADD = $(unit_libs)
tests_unit_dictionary_train_SOURCES = tests/unit-dictionary-train.c \
	$(unit_help)
tests_unit_dictionary_train_LDADD = $(unit_libs)
tests_unit_expression_SOURCES = tests/unit-expression.c \
	server/expression.c server/expression.h $(unit_help)
tests_unit_expression_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server
tests_unit_expression_LDADD = $(unit_libs)
tests_unit_half_SOURCES = tests/unit-half.c server/half.c server/half.h \
	server/kernel-file.c server/kernel-file.h server/md.c server/md.h \
	server/md-setup.h server/nbd-receivers.c server/nbd-receivers.h \
	server/run-program.h $(kernel_help)
tests_unit_half_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server
tests_unit_half_LDADD = $(unit_libs)
tests_unit_kernel_file_SOURCES = tests/unit-kernel-file.c \
	server/kernel-file.c server/kernel-file.h $(kernel_help)
tests_unit_kernel_file_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server
tests_unit_kernel_file_LDADD = $(unit_libs)
tests_unit_latency_SOURCES = tests/unit-latency.c $(unit_help)
tests_unit_latency_LDADD = $(unit_libs)
tests_unit_limit_SOURCES = tests/unit-limit.c $(unit_help)
tests_unit_limit_LDADD = $(unit_libs)
tests_unit_live_SOURCES = tests/unit-live.c $(unit_help)
tests_unit_live_LDADD = $(unit_libs)
tests_unit_mirror_SOURCES = tests/unit-mirror.c tests/played-server.c \
	tests/played-server.h $(backing_help)
tests_unit_mirror_LDADD = $(unit_libs)
tests_unit_objects_SOURCES = tests/unit-objects.c $(unit_help)
tests_unit_objects_LDADD = $(unit_libs)
tests_unit_policy_SOURCES = tests/unit-policy.c $(unit_help)
tests_unit_policy_LDADD = $(unit_libs)
tests_unit_pool_file_SOURCES = tests/unit-pool-file.c $(unit_help)
tests_unit_pool_file_LDADD = $(unit_libs)
tests_unit_recompress_SOURCES = tests/unit-recompress.c $(unit_help)
tests_unit_recompress_LDADD = $(unit_libs)
tests_unit_reserve_SOURCES = tests/unit-reserve.c $(unit_help)
tests_unit_reserve_LDADD = $(unit_libs)
tests_unit_same_SOURCES = tests/unit-same.c $(unit_help)
tests_unit_same_LDADD = $(unit_libs)
tests_unit_share_SOURCES = tests/unit-share.c $(unit_help)
tests_unit_share_LDADD = $(unit_libs)
tests_unit_size_class_SOURCES = tests/unit-size-class.c $(unit_help)
tests_unit_size_class_LDADD = $(unit_libs)
tests_unit_slot_SOURCES = tests/unit-slot.c $(unit_help)
tests_unit_slot_LDADD = $(unit_libs)
tests_unit_stats_SOURCES = tests/unit-stats.c $(unit_help)
tests_unit_stats_LDADD = $(unit_libs)
tests_unit_stream_SOURCES = tests/unit-stream.c $(unit_help)
tests_unit_stream_LDADD = $(unit_libs)
tests_unit_swap_SOURCES = tests/unit-swap.c \
	plugin/control-path.c \
	server/attach-file.c server/attach-file.h \
	server/check-list.c server/check-machine.c server/check.h \
	server/client.c server/client.h \
	server/device-queue.c server/device-queue.h \
	server/kernel-file.c server/kernel-file.h \
	server/nbd-device.c server/nbd-device.h \
	plugin/parse-number.c server/options.c server/options.h \
	server/output.c server/output.h \
	server/process.c server/process.h \
	server/run-file.c server/run-file.h \
	server/run-program.c server/run-program.h \
	server/swap-area.c server/swap-area.h \
	server/swap-server.c server/swap-server.h \
	tests/played-kernel.h tests/played-netlink.c \
	server/swap-room.c server/swap-room.h server/swap-room-read.c \
	server/swap-state.c server/swap-state.h \
	server/swaps.c server/swaps.h \
	server/sysctls.c server/sysctls.h $(kernel_help)
tests_unit_swap_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server \
	-I$(top_srcdir)/plugin
tests_unit_swap_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
tests_unit_swap_LDADD = $(unit_libs) $(JANSSON_LIBS) $(SMARTCOLS_LIBS)
tests_unit_table_SOURCES = tests/unit-table.c $(unit_help)
tests_unit_table_LDADD = $(unit_libs)
tests_unit_tidy_SOURCES = tests/unit-tidy.c $(unit_help)
tests_unit_tidy_LDADD = $(unit_libs)
tests_unit_threads_SOURCES = tests/unit-threads.c $(unit_help)
tests_unit_threads_LDADD = $(unit_libs)
tests_unit_top_SOURCES = tests/unit-top.c \
	plugin/parse-number.c plugin/parse-number.h \
	server/options.c server/options.h server/output.c server/output.h \
	server/top-exports.c server/top-exports.h \
	server/top-sample.c server/top-sample.h $(unit_help)
tests_unit_top_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server \
	-I$(top_srcdir)/plugin
tests_unit_top_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS)
tests_unit_top_LDADD = $(unit_libs) $(JANSSON_LIBS) $(SMARTCOLS_LIBS)
tests_unit_watcher_SOURCES = tests/unit-watcher.c \
	server/watcher.c server/watcher.h server/nbd-dial.h $(unit_help)
tests_unit_watcher_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/server
tests_unit_watcher_LDADD = $(unit_libs)
tests_unit_workload_SOURCES = tests/unit-workload.c tests/content.h \
	bench/measure.c bench/measure.h bench/remote/page-in.c \
	bench/remote/page-in.h bench/remote/zipf.c bench/remote/zipf.h \
	$(unit_help)
tests_unit_workload_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests \
	-I$(top_srcdir)/bench -I$(top_srcdir)/bench/remote
tests_unit_workload_LDADD = $(unit_libs) -lm
tests_unit_writeback_SOURCES = tests/unit-writeback.c $(unit_help)
tests_unit_writeback_LDADD = $(unit_libs)
endif

# ---- settings ----

check_PROGRAMS += tests/conf-show
tests_conf_show_SOURCES = tests/conf-show.c $(conf_sources)
tests_conf_show_CPPFLAGS = $(AM_CPPFLAGS) $(conf_cppflags)
tests_conf_show_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS) $(JANSSON_CFLAGS)
tests_conf_show_LDADD = $(INIH_LIBS) $(JANSSON_LIBS)

# ---- faults ----

fault_programs = tests/fault-alloc tests/fault-corrupt
check_PROGRAMS += $(fault_programs)
TESTS += $(fault_programs)

tests_fault_alloc_SOURCES = tests/fault-alloc.c $(unit_help)
tests_fault_alloc_LDADD = lib/libstore.la
tests_fault_corrupt_SOURCES = tests/fault-corrupt.c $(unit_help)
tests_fault_corrupt_LDADD = lib/libstore.la

# ---- fuzzing ----

# Everywhere, by a driver of our own; SEED as above.
fuzz_programs = tests/fuzz-attach tests/fuzz-decompress
check_PROGRAMS += $(fuzz_programs)
TESTS += $(fuzz_programs)

tests_fuzz_attach_SOURCES = tests/fuzz-attach.c tests/fuzz-driver.c \
	tests/fuzz.h $(unit_help)
tests_fuzz_attach_LDADD = lib/libstore.la
tests_fuzz_decompress_SOURCES = tests/fuzz-decompress.c \
	tests/fuzz-driver.c tests/fuzz.h $(unit_help)
tests_fuzz_decompress_LDADD = lib/libstore.la

# By libFuzzer: ./configure --enable-fuzzer CC=clang && make libfuzz
libfuzz_programs = tests/libfuzz-attach tests/libfuzz-decompress
EXTRA_PROGRAMS += $(libfuzz_programs)
tests_libfuzz_attach_SOURCES = tests/fuzz-attach.c tests/fuzz.h $(unit_help)
tests_libfuzz_attach_LDADD = lib/libstore.la
tests_libfuzz_attach_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_libfuzz_decompress_SOURCES = tests/fuzz-decompress.c tests/fuzz.h \
	$(unit_help)
tests_libfuzz_decompress_LDADD = lib/libstore.la
tests_libfuzz_decompress_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
if ENABLE_FUZZER
AM_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
AM_LDFLAGS += -fsanitize=address,undefined
libfuzz: $(libfuzz_programs)
TESTS += tests/libfuzz.sh
# clang's sanitizer for undefined behaviour sees what gcc's does not, as
# offsets to NULL.
if HAVE_CMOCKA
clang_units = tests/unit-backing tests/unit-device tests/unit-writeback
endif
check-fuzz: libfuzz $(clang_units)
	NBDZRAM_QUICK=1 $(MAKE) check-TESTS \
	  TESTS='tests/libfuzz.sh $(clang_units)'
endif
dist_check_SCRIPTS += tests/libfuzz.sh

# ---- the thread sanitizer ----

# With one thread there is nothing for it to find.
check-threads: $(check_PROGRAMS) $(check_LTLIBRARIES)
	$(MAKE) check-TESTS \
	  TESTS='$(threaded_units) $(concurrent_units) tests/fault-corrupt \
	    $(server_tests)'

# ---- valgrind ----

# It runs one thread at a time: what they do at once is for the sanitizers.
# fault-alloc replaces what valgrind replaces, and skips itself.
check-valgrind: $(check_PROGRAMS)
	NBDZRAM_QUICK=1 NBDZRAM_VALGRIND=1 $(MAKE) check-TESTS \
	  TESTS='$(plain_units) $(threaded_units) $(fault_programs) \
	    $(fuzz_programs)' \
	  LOG_COMPILER='$(LOG_COMPILER) $(LIBTOOL) --quiet --mode=execute \
	    $(VALGRIND) --quiet --error-exitcode=1 --leak-check=full \
	    --child-silent-after-fork=yes'
