# SPDX-License-Identifier: GPL-2.0-or-later
# One program for each subject.  A failed run prints its SEED:
#   SEED=12345 ./tests/unit/device
# NBDZRAM_QUICK=1 does a tenth of the work.

if HAVE_CMOCKA
# Several threads use the subject at once.
concurrent_units = \
	tests/unit/backing-threads \
	tests/unit/bits \
	tests/unit/budget \
	tests/unit/devices \
	tests/unit/devices-algorithm \
	tests/unit/devices-quota \
	tests/unit/devices-races \
	tests/unit/devices-resize \
	tests/unit/dictionary \
	tests/unit/dictionary-damage \
	tests/unit/dictionary-threads \
	tests/unit/latency \
	tests/unit/stream \
	tests/unit/threads
if HAVE_BACKING_NBD
concurrent_units += \
	tests/unit/backing-nbd \
	tests/unit/nbd-client \
	tests/unit/nbd-client-cuts \
	tests/unit/replicated-damage \
	tests/unit/replicated-failures \
	tests/unit/replicated-open \
	tests/unit/replicated-threads
endif

# The subject has threads of its own.
threaded_units = \
	tests/unit/arena \
	tests/unit/attach \
	tests/unit/dedup \
	tests/unit/dedup-memory \
	tests/unit/dedup-model \
	tests/unit/dedup-threads \
	tests/unit/policy \
	tests/unit/reconfigure \
	tests/unit/reserve \
	tests/unit/writeback \
	tests/unit/writeback-failures \
	tests/unit/writeback-races \
	tests/unit/writeback-room

if HAVE_BACKING_KEY
threaded_units += tests/unit/backing-key
endif

plain_units = \
	tests/unit/age \
	tests/unit/allow \
	tests/unit/analysis \
	tests/unit/area-plan \
	tests/unit/backing-faults \
	tests/unit/backing-open \
	tests/unit/backing-packing \
	tests/unit/backing-space \
	tests/unit/backing-stale \
	tests/unit/codec \
	tests/unit/compact \
	tests/unit/conf \
	tests/unit/conf-check \
	tests/unit/conf-refused \
	tests/unit/device \
	tests/unit/dictionary-train \
	tests/unit/kernel-file \
	tests/unit/limit \
	tests/unit/make-file-system \
	tests/unit/md-member \
	tests/unit/mount \
	tests/unit/nbd-protocol \
	tests/unit/objects \
	tests/unit/parse-size \
	tests/unit/pool-file \
	tests/unit/recompress \
	tests/unit/same \
	tests/unit/share \
	tests/unit/size-class \
	tests/unit/slot \
	tests/unit/stats \
	tests/unit/swap \
	tests/unit/swap-device \
	tests/unit/swap-room \
	tests/unit/swap-sysctls \
	tests/unit/table \
	tests/unit/top \
	tests/unit/trim \
	tests/unit/watcher \
	tests/unit/watcher-states \
	tests/unit/workload

unit_programs = $(plain_units) $(threaded_units) $(concurrent_units)
check_PROGRAMS += $(unit_programs)
TESTS += $(unit_programs)

# They need neither a server nor a network.
check-units: $(unit_programs)
	$(MAKE) check-TESTS TESTS='$(unit_programs)'

# Automake takes tests/unit/NAME.c and $(LDADD) for all but these.

backing_help = tests/lib/backing.c tests/lib/backing.h
dedup_help = tests/lib/dedup-index.c tests/lib/dedup-index.h
dictionary_help = tests/lib/dictionary-pool.c \
	tests/lib/dictionary-pool.h
conf_help = tests/lib/conf-file.c tests/lib/conf-file.h
devices_help = tests/lib/devices.c tests/lib/devices.h
kernel_help = tests/lib/kernel.c tests/lib/kernel.h
watcher_help = tests/lib/watcher-world.c tests/lib/watcher-world.h
nbd_client_help = tests/lib/nbd-client.c tests/lib/nbd-client.h \
	$(fake_server) $(backing_help)
replicated_help = tests/lib/replicated.c tests/lib/replicated.h \
	$(fake_server) $(backing_help)
writeback_help = tests/lib/writeback.c tests/lib/writeback.h
command_ldadd = tests/lib/libunit.a $(command_libs) $(CMOCKA_LIBS)

tests_unit_allow_LDADD = tests/lib/libunit.a $(service_libs) \
	$(CMOCKA_LIBS)
tests_unit_analysis_SOURCES = tests/unit/analysis.c \
	command/verbs/analysis.c command/verbs/analysis.h
tests_unit_area_plan_LDADD = $(command_ldadd)
tests_unit_backing_faults_SOURCES = tests/unit/backing-faults.c \
	$(backing_help)
tests_unit_backing_nbd_SOURCES = tests/unit/backing-nbd.c \
	$(fake_server) $(backing_help)
tests_unit_backing_open_SOURCES = tests/unit/backing-open.c $(backing_help)
tests_unit_backing_packing_SOURCES = tests/unit/backing-packing.c \
	$(backing_help)
tests_unit_backing_space_SOURCES = tests/unit/backing-space.c $(backing_help)
tests_unit_backing_stale_SOURCES = tests/unit/backing-stale.c $(backing_help)
tests_unit_backing_key_SOURCES = tests/unit/backing-key.c $(backing_help)
tests_unit_backing_threads_SOURCES = tests/unit/backing-threads.c \
	$(backing_help)
tests_unit_conf_SOURCES = tests/unit/conf.c $(conf_help)
tests_unit_conf_LDADD = $(command_ldadd)
tests_unit_conf_check_SOURCES = tests/unit/conf-check.c $(conf_help)
tests_unit_conf_check_LDADD = $(command_ldadd)
tests_unit_conf_refused_SOURCES = tests/unit/conf-refused.c $(conf_help)
tests_unit_conf_refused_LDADD = $(command_ldadd)
tests_unit_dedup_SOURCES = tests/unit/dedup.c $(dedup_help)
tests_unit_dedup_memory_SOURCES = tests/unit/dedup-memory.c $(dedup_help)
tests_unit_dedup_model_SOURCES = tests/unit/dedup-model.c $(dedup_help)
tests_unit_dedup_threads_SOURCES = tests/unit/dedup-threads.c $(dedup_help)
tests_unit_dictionary_SOURCES = tests/unit/dictionary.c $(dictionary_help)
tests_unit_dictionary_damage_SOURCES = tests/unit/dictionary-damage.c \
	$(dictionary_help)
tests_unit_dictionary_threads_SOURCES = tests/unit/dictionary-threads.c \
	$(dictionary_help)
tests_unit_devices_SOURCES = tests/unit/devices.c $(devices_help)
tests_unit_devices_algorithm_SOURCES = tests/unit/devices-algorithm.c \
	$(devices_help)
tests_unit_devices_quota_SOURCES = tests/unit/devices-quota.c $(devices_help)
tests_unit_devices_races_SOURCES = tests/unit/devices-races.c $(devices_help)
tests_unit_devices_resize_SOURCES = tests/unit/devices-resize.c $(devices_help)
tests_unit_kernel_file_SOURCES = tests/unit/kernel-file.c $(kernel_help)
tests_unit_kernel_file_LDADD = $(command_ldadd)
tests_unit_make_file_system_SOURCES = tests/unit/make-file-system.c \
	$(kernel_help)
tests_unit_make_file_system_LDADD = $(command_ldadd)
tests_unit_md_member_SOURCES = tests/unit/md-member.c $(kernel_help)
tests_unit_md_member_LDADD = $(command_ldadd)
tests_unit_mount_SOURCES = tests/unit/mount.c $(kernel_help)
tests_unit_mount_LDADD = $(command_ldadd)
tests_unit_parse_size_LDADD = tests/lib/libunit.a $(service_libs) \
	$(CMOCKA_LIBS)
tests_unit_nbd_protocol_LDADD = tests/lib/libunit.a server/libserver.a \
	$(service_libs) $(CMOCKA_LIBS)
tests_unit_nbd_client_SOURCES = tests/unit/nbd-client.c $(nbd_client_help)
tests_unit_nbd_client_cuts_SOURCES = tests/unit/nbd-client-cuts.c \
	$(nbd_client_help)
tests_unit_replicated_damage_SOURCES = tests/unit/replicated-damage.c \
	$(replicated_help)
tests_unit_replicated_failures_SOURCES = tests/unit/replicated-failures.c \
	$(replicated_help)
tests_unit_replicated_open_SOURCES = tests/unit/replicated-open.c \
	$(replicated_help)
tests_unit_replicated_threads_SOURCES = tests/unit/replicated-threads.c \
	$(replicated_help)
tests_unit_swap_SOURCES = tests/unit/swap.c $(fake_kernel) $(kernel_help)
tests_unit_swap_LDADD = $(command_ldadd)
tests_unit_swap_device_SOURCES = tests/unit/swap-device.c $(fake_kernel) \
	$(kernel_help)
tests_unit_swap_device_LDADD = $(command_ldadd)
tests_unit_swap_room_SOURCES = tests/unit/swap-room.c $(kernel_help)
tests_unit_swap_room_LDADD = $(command_ldadd)
tests_unit_swap_sysctls_SOURCES = tests/unit/swap-sysctls.c $(kernel_help)
tests_unit_swap_sysctls_LDADD = $(command_ldadd)
tests_unit_top_SOURCES = tests/unit/top.c \
	command/verbs/top-exports.c command/verbs/top-exports.h \
	command/verbs/top-sample.c command/verbs/top-sample.h
tests_unit_top_LDADD = $(command_ldadd)
tests_unit_watcher_SOURCES = tests/unit/watcher.c $(watcher_help)
tests_unit_watcher_LDADD = $(command_ldadd)
tests_unit_watcher_states_SOURCES = tests/unit/watcher-states.c \
	$(watcher_help)
tests_unit_watcher_states_LDADD = $(command_ldadd)
tests_unit_workload_SOURCES = tests/unit/workload.c \
	bench/measure.c bench/measure.h \
	bench/remote/page-in.c bench/remote/page-in.h \
	bench/remote/zipf.c bench/remote/zipf.h
tests_unit_workload_LDADD = $(LDADD) -lm
tests_unit_writeback_SOURCES = tests/unit/writeback.c $(writeback_help)
tests_unit_writeback_failures_SOURCES = tests/unit/writeback-failures.c \
	$(writeback_help)
tests_unit_writeback_races_SOURCES = tests/unit/writeback-races.c \
	$(writeback_help)
tests_unit_writeback_room_SOURCES = tests/unit/writeback-room.c \
	$(writeback_help)
endif

# ---- faults ----

fault_programs = tests/unit/fault-alloc tests/unit/fault-corrupt
check_PROGRAMS += $(fault_programs)
TESTS += $(fault_programs)
