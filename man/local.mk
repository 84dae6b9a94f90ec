# SPDX-License-Identifier: GPL-2.0-or-later

PODS = man/nbdkit-zram-plugin.pod
EXTRA_DIST += $(PODS)

if HAVE_POD2MAN
man_MANS = man/nbdkit-zram-plugin.1
CLEANFILES += $(man_MANS)

man/nbdkit-zram-plugin.1: man/nbdkit-zram-plugin.pod
	$(AM_V_GEN)$(MKDIR_P) man && $(POD2MAN) --section=1 --utf8 \
	  --center="nbdzram" --release="nbdzram $(PACKAGE_VERSION)" \
	  --name=nbdkit-zram-plugin --errors=die $< $@
endif
