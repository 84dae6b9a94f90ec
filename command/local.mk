# SPDX-License-Identifier: GPL-2.0-or-later
# The program nbdzram.  A folder includes only what is above it here.

noinst_LIBRARIES += command/base/libbase.a
command_base_libbase_a_SOURCES = \
	command/base/ascii.h \
	command/base/cgroup.c command/base/cgroup.h \
	command/base/cleanup.h \
	command/base/clock.h \
	command/base/command.h \
	command/base/complete.c command/base/complete.h \
	command/base/confirm.c command/base/confirm.h \
	command/base/control-client.c command/base/control-client.h \
	command/base/control-request.c command/base/control-request.h \
	command/base/harden-self.c command/base/harden-self.h \
	command/base/kernel-file.c command/base/kernel-file.h \
	command/base/log.c command/base/log.h \
	command/base/notify.c command/base/notify.h \
	command/base/options.c command/base/options.h \
	command/base/output.c command/base/output.h \
	command/base/proc-swaps.c command/base/proc-swaps.h \
	command/base/process.c command/base/process.h \
	command/base/run-file.c command/base/run-file.h \
	command/base/run-program.c command/base/run-program.h \
	command/base/suggest.c command/base/suggest.h \
	command/base/utf8.h

noinst_LIBRARIES += command/conf/libconf.a
command_conf_libconf_a_SOURCES = \
	command/conf/check.c \
	command/conf/conf.c command/conf/conf.h \
	command/conf/file.c \
	command/conf/ini-file.c command/conf/ini-file.h \
	command/conf/internal.h
command_conf_libconf_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DCONF_DIRECTORY='"$(sysconfdir)/nbdzram"'

noinst_LIBRARIES += command/import/libimport.a
command_import_libimport_a_SOURCES = \
	command/import/algorithms.c command/import/algorithms.h \
	command/import/expression.c command/import/expression.h \
	command/import/functions.c command/import/functions.h \
	command/import/generator.c command/import/generator.h \
	command/import/generator-files.c \
	command/import/generator-print.c \
	command/import/print-algorithms.c command/import/print-algorithms.h \
	command/import/translation.c command/import/translation.h

noinst_LIBRARIES += command/attach/libattach.a
command_attach_libattach_a_SOURCES = \
	command/attach/device-queue.c command/attach/device-queue.h \
	command/attach/in-use.c command/attach/in-use.h \
	command/attach/md.c command/attach/md.h \
	command/attach/md-setup.c command/attach/md-setup.h \
	command/attach/member.c command/attach/member.h \
	command/attach/nbd-device.c command/attach/nbd-device.h \
	command/attach/nbd-dial.c command/attach/nbd-dial.h \
	command/attach/nbd-netlink.c command/attach/nbd-netlink.h \
	command/attach/nbd-receivers.c command/attach/nbd-receivers.h \
	command/attach/partitions.c command/attach/partitions.h \
	command/attach/record.c command/attach/record.h \
	command/attach/status.c command/attach/status.h \
	command/attach/watch-attach.c \
	command/attach/watch-member.c \
	command/attach/watch-ops.c \
	command/attach/watch-process.h \
	command/attach/watch-status.c \
	command/attach/watcher.c command/attach/watcher.h \
	command/attach/watcher-states.c command/attach/watcher-states.h

noinst_LIBRARIES += command/supervisor/libsupervisor.a
command_supervisor_libsupervisor_a_SOURCES = \
	command/supervisor/backoff.h \
	command/supervisor/control.c command/supervisor/control.h \
	command/supervisor/files.c command/supervisor/files.h \
	command/supervisor/find.c command/supervisor/find.h \
	command/supervisor/launch.c command/supervisor/launch.h \
	command/supervisor/listen.c command/supervisor/listen.h \
	command/supervisor/recover.c command/supervisor/recover.h \
	command/supervisor/recover-processes.c \
	command/supervisor/recover-processes.h \
	command/supervisor/renew.c command/supervisor/renew.h \
	command/supervisor/request.c command/supervisor/request.h \
	command/supervisor/servers.c command/supervisor/servers.h \
	command/supervisor/setup.c command/supervisor/setup.h \
	command/supervisor/state.c command/supervisor/state.h \
	command/supervisor/state-file.c command/supervisor/state-file.h \
	command/supervisor/stop.c command/supervisor/stop.h \
	command/supervisor/supervisor.c command/supervisor/supervisor.h \
	command/supervisor/upgrade.c command/supervisor/upgrade.h \
	command/supervisor/watchers.c command/supervisor/watchers.h
command_supervisor_libsupervisor_a_CPPFLAGS = $(AM_CPPFLAGS) \
	-DSBINDIR='"$(sbindir)"'

noinst_LIBRARIES += command/swap/libswap.a
command_swap_libswap_a_SOURCES = \
	command/swap/after-unit.c \
	command/swap/area.c command/swap/area.h \
	command/swap/area-look.c command/swap/area-look.h \
	command/swap/area-manager.c command/swap/area-manager.h \
	command/swap/area-plan.c command/swap/area-plan.h \
	command/swap/area-status.c command/swap/area-status.h \
	command/swap/array.c command/swap/array.h \
	command/swap/check.h \
	command/swap/check-list.c \
	command/swap/check-machine.c \
	command/swap/check-server.c \
	command/swap/check-swap.c command/swap/check-swap.h \
	command/swap/file-system.c command/swap/file-system.h \
	command/swap/interrupt.c command/swap/interrupt.h \
	command/swap/protection.c command/swap/protection.h \
	command/swap/remains.c command/swap/remains.h \
	command/swap/room.c command/swap/room.h \
	command/swap/server.c command/swap/server.h \
	command/swap/setup.c command/swap/setup.h \
	command/swap/setup-activate.c \
	command/swap/setup-areas.c \
	command/swap/setup-attach.c \
	command/swap/setup-mount.c \
	command/swap/setup-server.c \
	command/swap/setup-steps.h \
	command/swap/setup-undo.c \
	command/swap/shutdown.c command/swap/shutdown.h \
	command/swap/state.c command/swap/state.h \
	command/swap/sysctls.c command/swap/sysctls.h \
	command/swap/teardown.c command/swap/teardown.h \
	command/swap/teardown-steps.h \
	command/swap/teardown-mount.c \
	command/swap/teardown-swap.c

noinst_LIBRARIES += command/metrics/libmetrics.a
command_metrics_libmetrics_a_SOURCES = \
	command/metrics/collect.c command/metrics/collect.h \
	command/metrics/families.c command/metrics/families.h \
	command/metrics/http.c command/metrics/http.h \
	command/metrics/page.c command/metrics/page.h

bin_PROGRAMS = command/nbdzram
command_nbdzram_SOURCES = \
	command/main.c \
	command/verbs/analysis.c command/verbs/analysis.h \
	command/verbs/analyze.c \
	command/verbs/analyze-advice.c command/verbs/analyze-advice.h \
	command/verbs/analyze-print.c command/verbs/analyze-print.h \
	command/verbs/analyze-run.h \
	command/verbs/areas.c \
	command/verbs/check.c \
	command/verbs/complete.c command/verbs/complete.h \
	command/verbs/conf.c \
	command/verbs/export.c \
	command/verbs/export-table.c command/verbs/export-table.h \
	command/verbs/maintain.c \
	command/verbs/metrics.c \
	command/verbs/mount.c \
	command/verbs/pages.c \
	command/verbs/process-memory.c command/verbs/process-memory.h \
	command/verbs/range.c command/verbs/range.h \
	command/verbs/serve.c \
	command/verbs/set.c \
	command/verbs/setup-command.c command/verbs/setup-command.h \
	command/verbs/status.c \
	command/verbs/stop.c \
	command/verbs/swapoff.c \
	command/verbs/swapon.c \
	command/verbs/top.c \
	command/verbs/top-exports.c command/verbs/top-exports.h \
	command/verbs/top-sample.c command/verbs/top-sample.h \
	command/verbs/upgrade.c \
	command/verbs/watch.c

# From the top folder down, as archives are searched.
command_libs = \
	command/metrics/libmetrics.a \
	command/swap/libswap.a \
	command/supervisor/libsupervisor.a \
	command/attach/libattach.a \
	command/import/libimport.a \
	command/conf/libconf.a \
	command/base/libbase.a \
	$(service_libs) \
	$(SMARTCOLS_LIBS) $(INIH_LIBS) $(LIBNBD_LIBS) \
	$(LIBNL_LIBS) $(GNUTLS_LIBS) -lm
command_nbdzram_LDADD = $(command_libs) $(NCURSESW_LIBS)

# Each shell looks for a name of its own.
EXTRA_DIST += command/completion.bash command/completion.fish \
	command/completion.zsh
install-completion:
	$(MKDIR_P) $(DESTDIR)$(bashcompletiondir) \
	  $(DESTDIR)$(zshcompletiondir) $(DESTDIR)$(fishcompletiondir)
	$(INSTALL_DATA) $(srcdir)/command/completion.bash \
	  $(DESTDIR)$(bashcompletiondir)/nbdzram
	$(INSTALL_DATA) $(srcdir)/command/completion.zsh \
	  $(DESTDIR)$(zshcompletiondir)/_nbdzram
	$(INSTALL_DATA) $(srcdir)/command/completion.fish \
	  $(DESTDIR)$(fishcompletiondir)/nbdzram.fish
uninstall-completion:
	rm -f $(DESTDIR)$(bashcompletiondir)/nbdzram \
	  $(DESTDIR)$(zshcompletiondir)/_nbdzram \
	  $(DESTDIR)$(fishcompletiondir)/nbdzram.fish
