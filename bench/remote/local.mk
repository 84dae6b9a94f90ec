# SPDX-License-Identifier: GPL-2.0-or-later
# Workloads with a part of their memory far away, in the virtual machine.

bench_remote_workloads = bench/remote/sort bench/remote/touch
if HAVE_SQLITE
bench_remote_workloads += bench/remote/database
endif
EXTRA_PROGRAMS += $(bench_remote_workloads)
CLEANFILES += $(bench_remote_workloads)

bench_workload = $(bench_measure) tests/lib/prng.h \
	bench/remote/page-in.c bench/remote/page-in.h \
	bench/remote/workload.c bench/remote/workload.h
bench_zipf = tests/lib/content.h bench/remote/zipf.c bench/remote/zipf.h

bench_remote_database_SOURCES = bench/remote/database.c \
	$(bench_workload) $(bench_zipf)
bench_remote_database_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
bench_remote_database_LDADD = $(SQLITE_LIBS) -lm
bench_remote_sort_SOURCES = bench/remote/sort.c $(bench_workload)
bench_remote_sort_LDADD =
bench_remote_touch_SOURCES = bench/remote/touch.c \
	$(bench_workload) $(bench_zipf)
bench_remote_touch_LDADD = -lm

dist_noinst_SCRIPTS += bench/remote/report bench/remote/run
EXTRA_DIST += bench/remote/guest.sh bench/remote/plot.gp \
	bench/remote/README.md bench/remote/example.svg
