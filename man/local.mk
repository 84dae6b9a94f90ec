# SPDX-License-Identifier: GPL-2.0-or-later

# The plugin is nbdkit's, and the programs an administrator's: hence the
# sections.
man1_pages = \
	man/nbdkit-zram-plugin.1
man5_pages = \
	man/nbdzram.conf.5
man7_pages = \
	man/nbdzram-control.7 \
	man/nbdzram-migrate.7 \
	man/nbdzram-remote.7 \
	man/nbdzram-swap.7
man8_pages = \
	man/nbdzram.8 \
	man/nbdzram-analyze.8 \
	man/nbdzram-areas.8 \
	man/nbdzram-check.8 \
	man/nbdzram-compact.8 \
	man/nbdzram-conf.8 \
	man/nbdzram-export.8 \
	man/nbdzram-idle.8 \
	man/nbdzram-metrics.8 \
	man/nbdzram-mount.8 \
	man/nbdzram-pages.8 \
	man/nbdzram-recompress.8 \
	man/nbdzram-reset.8 \
	man/nbdzram-serve.8 \
	man/nbdzram-set.8 \
	man/nbdzram-status.8 \
	man/nbdzram-stop.8 \
	man/nbdzram-top.8 \
	man/nbdzram-trim-empty.8 \
	man/nbdzram-umount.8 \
	man/nbdzram-upgrade.8 \
	man/nbdzram-swapoff.8 \
	man/nbdzram-swapon.8 \
	man/nbdzram-watch.8 \
	man/nbdzram-writeback.8 \
	man/nbdzramd.8
EXTRA_DIST += $(man1_pages:.1=.pod) $(man5_pages:.5=.pod) \
	$(man7_pages:.7=.pod) $(man8_pages:.8=.pod)

if HAVE_POD2MAN
man_MANS = $(man1_pages) $(man5_pages) $(man7_pages) $(man8_pages)
CLEANFILES += $(man_MANS)
endif

# A page with errors must not look made.
.DELETE_ON_ERROR:

SUFFIXES = .pod .1 .5 .7 .8
pod_to_man = $(AM_V_GEN)$(MKDIR_P) man && $(POD2MAN) --utf8 \
	--center="nbdzram" --release="nbdzram $(PACKAGE_VERSION)" \
	--name=`basename $< .pod` --errors=die
.pod.1:
	$(pod_to_man) --section=1 $< $@
.pod.5:
	$(pod_to_man) --section=5 $< $@
.pod.7:
	$(pod_to_man) --section=7 $< $@
.pod.8:
	$(pod_to_man) --section=8 $< $@
