# SPDX-License-Identifier: GPL-2.0-or-later
# Benchmarks; nothing here is built or run but by "make bench".

bench_programs = bench/ask bench/backing-key bench/churn bench/compact bench/dedup bench/dedup-store \
	bench/dump-pages bench/stall bench/store
bench_programs += bench/nbd-load
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

bench_measure = bench/measure.c bench/measure.h

bench_ask_SOURCES = bench/ask.c $(bench_measure)
bench_ask_LDADD =
bench_backing_key_SOURCES = bench/backing-key.c $(bench_measure)
bench_backing_key_LDADD = $(store_libs)
bench_churn_SOURCES = bench/churn.c $(bench_measure)
bench_churn_LDADD = $(store_libs)
bench_compact_SOURCES = bench/compact.c $(bench_measure)
bench_compact_LDADD = $(store_libs)
bench_dedup_SOURCES = bench/dedup.c $(bench_measure)
bench_dedup_LDADD = $(store_libs)
bench_dedup_store_SOURCES = bench/dedup-store.c $(bench_measure)
bench_dedup_store_LDADD = $(store_libs)
bench_dump_pages_SOURCES = bench/dump-pages.c \
	command/verbs/process-memory.c command/verbs/process-memory.h
bench_dump_pages_LDADD =
bench_nbd_load_SOURCES = bench/nbd-load.c bench/nbd-load.h \
	bench/nbd-load-batch.c $(bench_measure)
bench_nbd_load_LDADD = $(LIBNBD_LIBS)
bench_stall_SOURCES = bench/stall.c $(bench_measure)
bench_stall_LDADD = $(store_libs)
bench_store_SOURCES = bench/store.c bench/store.h bench/store-sides.c \
	bench/store-threads.c bench/store-turns.c $(bench_measure)
bench_store_LDADD = $(store_libs)

dist_noinst_SCRIPTS += \
	bench/all.sh bench/backing.sh bench/life.sh bench/make-pages.sh \
	bench/memory.sh bench/nbd.sh bench/nbdzramd.sh \
	bench/tenants.sh
EXTRA_DIST += bench/functions.sh bench/kernel-zram.sh

# The data set is made once; BENCH_PAGES=FILE takes another.
BENCH_PAGES = bench/pages.bin
CLEANFILES += bench/pages.bin bench/results.txt

.PHONY: bench
bench: all
	$(MAKE) $(bench_programs)
	RUN=$(abs_top_builddir)/run $(abs_top_builddir)/run \
	  $(srcdir)/bench/all.sh $(BENCH_PAGES) bench/results.txt

include bench/remote/local.mk
