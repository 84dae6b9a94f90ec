# SPDX-License-Identifier: GPL-2.0-or-later
# Units, examples of settings, and what keeps a machine from hibernating
# into its own memory.

confdir = $(sysconfdir)/nbdzram
dist_doc_DATA += doc/swap0.conf doc/zram0.conf

# An administrator's files, if there are any, stay.
install-conf-directory:
	$(MKDIR_P) "$(DESTDIR)$(confdir)"
uninstall-conf-directory:
	-rmdir "$(DESTDIR)$(confdir)" 2>/dev/null

# ---- units ----

# Only make knows the directories.
unit_sed = sed -e 's|@bindir[@]|$(bindir)|g' -e 's|@confdir[@]|$(confdir)|g' \
	-e 's|@sbindir[@]|$(sbindir)|g' $(unit_filter)
unit_files = systemd/nbdzram.service systemd/nbdzram@.service \
	systemd/nbdzram-swap@.service systemd/nbdzram-mount@.service \
	systemd/nbdzram-metrics@.service
EXTRA_DIST += systemd/nbdzram@.service.in systemd/nbdzram-swap@.service.in \
	systemd/nbdzram-mount@.service.in systemd/nbdzram-metrics@.service.in \
	systemd/nbdzram-metrics.socket \
	systemd/nbdzram.conf
CLEANFILES += $(unit_files)

systemd/nbdzram@.service: $(srcdir)/systemd/nbdzram@.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	  $(unit_sed) $(srcdir)/systemd/nbdzram@.service.in >$@
systemd/nbdzram-swap@.service: $(srcdir)/systemd/nbdzram-swap@.service.in \
		Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	  $(unit_sed) $(srcdir)/systemd/nbdzram-swap@.service.in >$@
systemd/nbdzram-mount@.service: $(srcdir)/systemd/nbdzram-mount@.service.in \
		Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	  $(unit_sed) $(srcdir)/systemd/nbdzram-mount@.service.in >$@
systemd/nbdzram-metrics@.service: \
		$(srcdir)/systemd/nbdzram-metrics@.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	  $(unit_sed) $(srcdir)/systemd/nbdzram-metrics@.service.in >$@
# The one disk that most have, without a name to remember.
systemd/nbdzram.service: systemd/nbdzram@.service
	$(AM_V_GEN)sed -e 's|nbdzram@disk|nbdzram|' -e 's|%i|zram0|g' \
	  systemd/nbdzram@.service >$@

if WITH_SYSTEMD
systemdsystemunit_DATA = $(unit_files) systemd/nbdzram-metrics.socket
hibernatedir = $(systemdsystemunitdir)/systemd-hibernate.service.d
hibernate_DATA = systemd/nbdzram.conf
hybridsleepdir = $(systemdsystemunitdir)/systemd-hybrid-sleep.service.d
hybridsleep_DATA = systemd/nbdzram.conf
suspendthendir = \
	$(systemdsystemunitdir)/systemd-suspend-then-hibernate.service.d
suspendthen_DATA = systemd/nbdzram.conf
endif
