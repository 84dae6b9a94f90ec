# SPDX-License-Identifier: GPL-2.0-or-later

# Built with every compiler: our own driver, which prints its SEED.
fuzz_programs = tests/fuzz/attach tests/fuzz/connection \
	tests/fuzz/decompress tests/fuzz/expression
check_PROGRAMS += $(fuzz_programs)
TESTS += $(fuzz_programs)
tests_fuzz_attach_SOURCES = tests/fuzz/attach.c tests/fuzz/driver.c \
	tests/fuzz/fuzz.h
tests_fuzz_connection_SOURCES = tests/fuzz/connection.c \
	tests/fuzz/driver.c tests/fuzz/fuzz.h
tests_fuzz_connection_LDADD = $(server_libs) $(LDADD)
tests_fuzz_decompress_SOURCES = tests/fuzz/decompress.c \
	tests/fuzz/driver.c tests/fuzz/fuzz.h
tests_fuzz_expression_SOURCES = tests/fuzz/expression.c \
	tests/fuzz/driver.c tests/fuzz/fuzz.h
tests_fuzz_expression_LDADD = $(command_libs) $(LDADD)

# With libFuzzer: ./configure --enable-fuzzer CC=clang && make libfuzz
libfuzz_programs = tests/fuzz/libfuzz-attach tests/fuzz/libfuzz-connection \
	tests/fuzz/libfuzz-decompress tests/fuzz/libfuzz-expression
EXTRA_PROGRAMS += $(libfuzz_programs)
tests_fuzz_libfuzz_attach_SOURCES = tests/fuzz/attach.c tests/fuzz/fuzz.h
tests_fuzz_libfuzz_attach_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_libfuzz_connection_SOURCES = tests/fuzz/connection.c \
	tests/fuzz/fuzz.h
tests_fuzz_libfuzz_connection_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_libfuzz_connection_LDADD = $(server_libs) $(LDADD)
tests_fuzz_libfuzz_decompress_SOURCES = tests/fuzz/decompress.c \
	tests/fuzz/fuzz.h
tests_fuzz_libfuzz_decompress_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_libfuzz_expression_SOURCES = tests/fuzz/expression.c \
	tests/fuzz/fuzz.h
tests_fuzz_libfuzz_expression_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_libfuzz_expression_LDADD = $(command_libs) $(LDADD)
if ENABLE_FUZZER
AM_CFLAGS += -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
AM_LDFLAGS += -fsanitize=address,undefined
libfuzz: $(libfuzz_programs)
TESTS += tests/fuzz/libfuzz.sh
# clang's sanitizer for undefined behaviour finds more than gcc's, such as
# offsets to NULL.
if HAVE_CMOCKA
clang_units = \
	tests/unit/backing-open \
	tests/unit/backing-packing \
	tests/unit/backing-space \
	tests/unit/backing-stale \
	tests/unit/device \
	tests/unit/writeback \
	tests/unit/writeback-failures \
	tests/unit/writeback-races \
	tests/unit/writeback-room
endif
check-fuzz: libfuzz $(clang_units)
	NBDZRAM_QUICK=1 $(MAKE) check-TESTS \
	  TESTS='tests/fuzz/libfuzz.sh $(clang_units)'
endif
dist_check_SCRIPTS += tests/fuzz/libfuzz.sh
