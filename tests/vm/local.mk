# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's side, in a virtual machine: one at a time, since each takes
# both processors of a small machine.

vm_tests = \
	tests/vm-filesystems.sh \
	tests/vm-ltp-zram.sh \
	tests/vm-nbd-client.sh \
	tests/vm-speed.sh \
	tests/vm-swap.sh \
	tests/vm-swap-backing.sh \
	tests/vm-swap-full.sh \
	tests/vm-swap-killed.sh \
	tests/vm-swap-survives.sh \
	tests/vm-swap-tcp.sh

dist_check_SCRIPTS += $(vm_tests)
EXTRA_DIST += tests/vm/guest.sh tests/vm/host.sh tests/vm/init \
	tests/vm/make-image tests/vm/run-vm

EXTRA_PROGRAMS += tests/vm/outb tests/vm/pages
tests_vm_outb_SOURCES = tests/vm/outb.c
tests_vm_pages_SOURCES = tests/chance.h tests/vm/pages.c
tests_vm_pages_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests

EXTRA_LTLIBRARIES = tests/vm/harden.la
tests_vm_harden_la_SOURCES = tests/vm/harden.c
tests_vm_harden_la_LDFLAGS = -module -avoid-version -rpath /nowhere

CLEANFILES += $(EXTRA_LTLIBRARIES) tests/vm/outb tests/vm/pages
clean-local:
	rm -rf tests/vm/image

# The kernel that was fetched stays; the archives are made anew.
vm-image: all tests/vm/outb tests/vm/pages tests/vm/harden.la
	$(SHELL) $(srcdir)/tests/vm/make-image $(top_builddir) tests/vm/image

check-vm: vm-image
	$(MAKE) -j1 check-TESTS TESTS='$(vm_tests)'

.PHONY: vm-image check-vm
