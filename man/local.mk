# SPDX-License-Identifier: GPL-2.0-or-later

man1_pages = \
	man/nbdkit-zram-plugin.1 \
	man/nbdzram.1 \
	man/nbdzram-analyze.1 \
	man/nbdzram-compact.1 \
	man/nbdzram-idle.1 \
	man/nbdzram-metrics.1 \
	man/nbdzram-pages.1 \
	man/nbdzram-recompress.1 \
	man/nbdzram-reset.1 \
	man/nbdzram-set.1 \
	man/nbdzram-status.1 \
	man/nbdzram-top.1 \
	man/nbdzram-trim-empty.1 \
	man/nbdzram-writeback.1
man7_pages = \
	man/nbdzram-control.7
EXTRA_DIST += $(man1_pages:.1=.pod) $(man7_pages:.7=.pod)

if HAVE_POD2MAN
man_MANS = $(man1_pages) $(man7_pages)
CLEANFILES += $(man_MANS)
endif

# A page with errors must not look made.
.DELETE_ON_ERROR:

SUFFIXES = .pod .1 .7
pod_to_man = $(AM_V_GEN)$(MKDIR_P) man && $(POD2MAN) --utf8 \
	--center="nbdzram" --release="nbdzram $(PACKAGE_VERSION)" \
	--name=`basename $< .pod` --errors=die
.pod.1:
	$(pod_to_man) --section=1 $< $@
.pod.7:
	$(pod_to_man) --section=7 $< $@
