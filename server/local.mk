# SPDX-License-Identifier: GPL-2.0-or-later
# The command nbdzram: a file for each verb.

bin_PROGRAMS = server/nbdzram
server_nbdzram_SOURCES = \
	plugin/control-path.c plugin/control-path.h \
	plugin/parse-number.c plugin/parse-number.h \
	plugin/control-socket.c plugin/control-socket.h \
	plugin/gate.c plugin/gate.h \
	plugin/thread-state.c plugin/thread-state.h \
	server/analysis.c server/analysis.h \
	server/analyze.c \
	server/array.c server/array.h \
	server/ascii.h \
	server/attach-file.c server/attach-file.h \
	server/attach-status.c server/attach-status.h \
	server/check.c server/check.h \
	server/check-list.c \
	server/check-machine.c \
	server/check-server.c \
	server/cgroup.c server/cgroup.h \
	server/client.c server/client.h \
	server/clock.h \
	server/command.h \
	server/compact.c \
	server/conf.c server/conf.h server/conf-internal.h \
	server/conf-file.c \
	server/device-queue.c server/device-queue.h \
	server/export.c \
	server/export-table.c server/export-table.h \
	server/expression.c server/expression.h \
	server/half.c server/half.h \
	server/idle.c \
	server/in-use.c server/in-use.h \
	server/kernel-file.c server/kernel-file.h \
	server/launch.c server/launch.h \
	server/listen.c server/listen.h \
	server/log.c server/log.h \
	server/main.c \
	server/md.c server/md.h \
	server/md-setup.c server/md-setup.h \
	server/metrics.c \
	server/nbd-device.c server/nbd-device.h \
	server/nbd-dial.c server/nbd-dial.h \
	server/nbd-netlink.c server/nbd-netlink.h \
	server/nbd-receivers.c server/nbd-receivers.h \
	server/notify.c server/notify.h \
	server/options.c server/options.h \
	server/output.c server/output.h \
	server/pages.c \
	server/process.c server/process.h \
	server/process-memory.c server/process-memory.h \
	server/protection.c server/protection.h \
	server/question.c server/question.h \
	server/range.c server/range.h \
	server/recompress.c \
	server/reset.c \
	server/run-file.c server/run-file.h \
	server/run-program.c server/run-program.h \
	server/self-hardening.c server/self-hardening.h \
	server/serve.c \
	server/set.c \
	server/setup.c server/setup.h \
	server/status.c \
	server/shutdown.c server/shutdown.h \
	server/stop.c \
	server/supervisor-adopt.c \
	server/supervisor-ask.c server/supervisor-ask.h \
	server/supervisor.c server/supervisor.h \
	server/supervisor-control.c \
	server/supervisor-files.c \
	server/supervisor-find.c \
	server/supervisor-renew.c \
	server/supervisor-servers.c \
	server/supervisor-state.c \
	server/supervisor-stop.c \
	server/supervisor-upgrade.c \
	server/supervisor-watchers.c \
	server/swap-area.c server/swap-area.h \
	server/swap-check.c server/swap-check.h \
	server/swap-remains.c server/swap-remains.h \
	server/swap-room.c server/swap-room.h server/swap-room-read.c \
	server/swap-server.c server/swap-server.h \
	server/swap-state.c server/swap-state.h \
	server/swapoff.c \
	server/swapon.c \
	server/swaps.c server/swaps.h \
	server/sysctls.c server/sysctls.h \
	server/tls-files.c server/tls-files.h \
	server/top.c \
	server/top-exports.c server/top-exports.h \
	server/top-sample.c server/top-sample.h \
	server/trim-empty.c \
	server/upgrade.c \
	server/utf8.h \
	server/watch.c server/watch.h \
	server/watch-attach.c \
	server/watch-half.c \
	server/watch-ops.c \
	server/watch-say.c \
	server/watcher.c server/watcher.h \
	server/writeback.c
server_nbdzram_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/plugin \
	-DCONF_DIRECTORY='"$(sysconfdir)/nbdzram"' \
	-DPLUGINDIR='"$(plugindir)"'
server_nbdzram_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SMARTCOLS_CFLAGS) \
	$(NCURSESW_CFLAGS) $(INIH_CFLAGS) $(LIBNBD_CFLAGS) $(LIBNL_CFLAGS) \
	$(GNUTLS_CFLAGS)
server_nbdzram_LDADD = lib/libstore.la $(JANSSON_LIBS) $(SMARTCOLS_LIBS) \
	$(NCURSESW_LIBS) $(INIH_LIBS) $(LIBNBD_LIBS) $(LIBNL_LIBS) \
	$(GNUTLS_LIBS)

# bash looks for the name of the command.
EXTRA_DIST += server/nbdzram.bash
install-completion:
	$(MKDIR_P) $(DESTDIR)$(bashcompletiondir)
	$(INSTALL_DATA) $(srcdir)/server/nbdzram.bash \
	  $(DESTDIR)$(bashcompletiondir)/nbdzram
uninstall-completion:
	rm -f $(DESTDIR)$(bashcompletiondir)/nbdzram
