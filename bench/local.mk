# SPDX-License-Identifier: GPL-2.0-or-later
# Benchmarks; nothing here is built or run but by "make bench".

bench_programs = bench/store
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)

bench_measure = bench/measure.c bench/measure.h

bench_store_SOURCES = bench/store.c $(bench_measure)
bench_store_LDADD = lib/libstore.la
