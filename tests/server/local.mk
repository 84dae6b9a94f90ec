# SPDX-License-Identifier: GPL-2.0-or-later
# The plugin and nbdzramd, as their clients see them.

server_tests = \
	tests/server/allow.sh \
	tests/server/backing-faults.sh \
	tests/server/backing-key.sh \
	tests/server/backing-mirror.sh \
	tests/server/backing-nbd.sh \
	tests/server/backing-reset.sh \
	tests/server/backing-stale.sh \
	tests/server/bad-parameters.sh \
	tests/server/bad-pool.sh \
	tests/server/client-fio.sh \
	tests/server/client-nbdcopy.sh \
	tests/server/client-nbdfuse.sh \
	tests/server/client-nbdsh.sh \
	tests/server/client-qemu-tls.sh \
	tests/server/client-qemu.sh \
	tests/server/clients.sh \
	tests/server/control-hostile.sh \
	tests/server/control-pages.sh \
	tests/server/control-requests.sh \
	tests/server/control-set.sh \
	tests/server/control-socket.sh \
	tests/server/control-writeback.sh \
	tests/server/dictionary.sh \
	tests/server/exports.sh \
	tests/server/flags.sh \
	tests/server/help.sh \
	tests/server/kill-at-start.sh \
	tests/server/kill-exports.sh \
	tests/server/kill-maintenance.sh \
	tests/server/kill.sh \
	tests/server/map-64T.sh \
	tests/server/mem-limit.sh \
	tests/server/model-algorithms.sh \
	tests/server/model-backing-killed.sh \
	tests/server/model-maintenance.sh \
	tests/server/model-page-sizes.sh \
	tests/server/model-pool.sh \
	tests/server/no-allocation.sh \
	tests/server/pool-full-tmpfs.sh \
	tests/server/pool-hugetlbfs.sh \
	tests/server/protocol-client.sh \
	tests/server/protocol-cut.sh \
	tests/server/protocol-known-bugs.sh \
	tests/server/protocol-options.sh \
	tests/server/protocol-random.sh \
	tests/server/protocol-requests.sh \
	tests/server/protocol-slow.sh \
	tests/server/protocol-tls.sh \
	tests/server/stats.sh \
	tests/server/tls.sh \
	tests/server/trim-memory.sh

# Of nbdzramd only.
own_tests = tests/server/nbdzramd-help.sh \
	tests/server/nbdzramd-request-size.sh tests/server/nbdzramd-run.sh \
	tests/server/nbdzramd-turns.sh

# A test of nbdzramd, NAME.t, is the test of the plugin, NAME.sh, with another
# variable.
nbdzramd_tests = $(server_tests:.sh=.t) \
	tests/swap/hardening.t tests/swap/lock-keeper.t

%.t: %.sh
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	printf '\043!/bin/sh\nNBDZRAM_SERVER=nbdzramd exec %s\n' "$<" > $@ && \
	chmod +x $@
TEST_EXTENSIONS = .t
T_LOG_COMPILER = $(LOG_COMPILER)
MOSTLYCLEANFILES = $(nbdzramd_tests)
