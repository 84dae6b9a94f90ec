# SPDX-License-Identifier: GPL-2.0-or-later
# lib: what the tests share.  fake: stand-ins for what a test needs.  unit and
# fuzz: parts of the programs by themselves.  server: the plugin, by its
# clients.  filter: the plugin below nbdkit's filters.  command and swap: the
# program nbdzram.  install: what is installed.  vm: a kernel that has nbd.

include tests/lib/local.mk
include tests/fake/local.mk
include tests/unit/local.mk
include tests/fuzz/local.mk
include tests/server/local.mk
include tests/filter/local.mk
include tests/command/local.mk
include tests/swap/local.mk
include tests/install/local.mk
include tests/vm/local.mk

TESTS += $(server_tests) $(own_tests) $(nbdzramd_tests) $(filter_tests) $(command_tests) $(swap_tests) \
	$(install_tests)
dist_check_SCRIPTS += $(server_tests) $(own_tests) $(filter_tests) $(command_tests) \
	$(swap_tests) $(install_tests)

# ---- tests that "make check" does not run ----

# Automake's harness has no rules for them: run $$tests, one at a time.
run_other_tests = \
	srcdir='$(srcdir)'; export srcdir; failed=; \
	for test in $$tests; do \
	  $(MKDIR_P) $$(dirname $$test); \
	  $(SHELL) $(top_srcdir)/build-aux/test-driver --test-name $$test \
	    --log-file $$test.log --trs-file $$test.trs --color-tests no \
	    --enable-hard-errors yes --expect-failure no -- \
	    $(LOG_COMPILER) $(srcdir)/$$test || :; \
	  grep -q '^:test-result: \(PASS\|SKIP\)' $$test.trs || failed=1; \
	done; \
	test ! "$$failed"

# ---- the sanitizers ----

# What the plugin and nbdzramd share is tested with nbdzramd only.  The tests of
# filters run the rest of the plugin.
check-address: $(check_PROGRAMS)
	$(MAKE) check-TESTS TESTS='$(filter-out $(server_tests),$(TESTS))'

# This one finds nothing in a program that has one thread.
tests_with_threads = $(threaded_units) $(concurrent_units) \
	tests/unit/fault-corrupt $(own_tests) $(nbdzramd_tests)

check-threads: $(check_PROGRAMS)
	$(MAKE) check-TESTS TESTS='$(tests_with_threads)'

# ---- valgrind ----

EXTRA_DIST += tests/valgrind.supp

tests_with_valgrind = $(plain_units) $(threaded_units) $(fault_programs) \
	$(fuzz_programs)
valgrind_command = $(VALGRIND) --quiet --error-exitcode=1 --leak-check=full \
	--suppressions=$(abs_top_srcdir)/tests/valgrind.supp \
	--child-silent-after-fork=yes

# It runs one thread at a time: the sanitizers test what threads do at once.
# fault-alloc replaces the functions that valgrind replaces, and skips itself.
check-valgrind: $(check_PROGRAMS)
	NBDZRAM_QUICK=1 NBDZRAM_VALGRIND=1 $(MAKE) check-TESTS \
	  TESTS='$(tests_with_valgrind)' \
	  LOG_COMPILER='$(LOG_COMPILER) $(valgrind_command)'
