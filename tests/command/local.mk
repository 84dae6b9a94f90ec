# SPDX-License-Identifier: GPL-2.0-or-later
# The program nbdzram.

command_tests = \
	tests/command/analyze.sh \
	tests/command/areas.sh \
	tests/command/check.sh \
	tests/command/completion.sh \
	tests/command/completion-fish.sh \
	tests/command/completion-zsh.sh \
	tests/command/conf-import.sh \
	tests/command/conf.sh \
	tests/command/confirm.sh \
	tests/command/export-fake.sh \
	tests/command/export.sh \
	tests/command/help.sh \
	tests/command/hosts-allow.sh \
	tests/command/hosts-bandwidth.sh \
	tests/command/hosts-open.sh \
	tests/command/metrics-all.sh \
	tests/command/metrics-http.sh \
	tests/command/metrics.sh \
	tests/command/mount.sh \
	tests/command/prometheus.sh \
	tests/command/remote-status.sh \
	tests/command/root-session.sh \
	tests/command/serve-busy-poll.sh \
	tests/command/serve-directory.sh \
	tests/command/serve-export.sh \
	tests/command/serve-kill.sh \
	tests/command/serve-recover.sh \
	tests/command/serve-start-barrier.sh \
	tests/command/serve-stop.sh \
	tests/command/serve-tls.sh \
	tests/command/serve-upgrade.sh \
	tests/command/serve.sh \
	tests/command/top.sh

EXTRA_DIST += tests/command/completion-functions.sh
