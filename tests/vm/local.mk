# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's side, in a virtual machine: one at a time, since each takes
# both processors of a small machine.

vm_tests = \
	tests/vm/bench-remote.sh \
	tests/vm/filesystems.sh \
	tests/vm/hang.sh \
	tests/vm/ltp-zram.sh \
	tests/vm/migrate.sh \
	tests/vm/mount.sh \
	tests/vm/mount-systemd.sh \
	tests/vm/mirror-alone.sh \
	tests/vm/mirror-disk.sh \
	tests/vm/nbd-client.sh \
	tests/vm/poweroff.sh \
	tests/vm/remotes.sh \
	tests/vm/swap.sh \
	tests/vm/swap-killed.sh \
	tests/vm/swap-queue.sh \
	tests/vm/swap-refused.sh \
	tests/vm/swap-remains.sh \
	tests/vm/swap-tcp.sh \
	tests/vm/systemd.sh \
	tests/vm/vsock.sh

# These take longer than the others together.
vm_long_tests = \
	tests/vm/mirror.sh \
	tests/vm/soft-reboot.sh \
	tests/vm/speed.sh \
	tests/vm/speed-priority.sh \
	tests/vm/swap-areas.sh \
	tests/vm/swap-backing.sh \
	tests/vm/swap-fits.sh \
	tests/vm/swap-full.sh \
	tests/vm/swap-survives.sh

dist_check_SCRIPTS += $(vm_tests) $(vm_long_tests)
EXTRA_DIST += tests/vm/guest.sh tests/vm/host.sh tests/vm/init \
	tests/vm/make-image tests/vm/run-vm

EXTRA_PROGRAMS += tests/vm/harden.so tests/vm/outb tests/vm/pages
tests_vm_harden_so_SOURCES = tests/vm/harden.c
tests_vm_harden_so_LDFLAGS = $(AM_LDFLAGS) -shared
tests_vm_harden_so_LDADD =
tests_vm_outb_SOURCES = tests/vm/outb.c
tests_vm_pages_SOURCES = tests/lib/prng.h tests/lib/content.h tests/vm/pages.c
tests_vm_pages_LDADD =
tests_vm_outb_LDADD =

CLEANFILES += tests/vm/harden.so tests/vm/outb tests/vm/pages
clean-local:
	rm -rf tests/vm/image

# The kernel that was fetched stays; the archives are made anew.
vm_image_needs = all tests/vm/outb tests/vm/pages tests/vm/harden.so \
	$(bench_remote_workloads)
make_image = $(SHELL) $(srcdir)/tests/vm/make-image $(top_builddir) \
	tests/vm/image
vm-image: $(vm_image_needs)
	$(make_image)
vm-image-newer: $(vm_image_needs)
	$(make_image) newer

check-vm: vm-image
	@tests='$(vm_tests)'; $(run_other_tests)

check-vm-long: vm-image-newer
	@tests='$(vm_long_tests)'; $(run_other_tests)

.PHONY: vm-image vm-image-newer check-vm check-vm-long
