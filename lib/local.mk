# SPDX-License-Identifier: GPL-2.0-or-later
# The store.  A folder includes only what is above it here.

noinst_LIBRARIES += lib/base/libbase.a
lib_base_libbase_a_SOURCES = \
	lib/base/bits.h \
	lib/base/budget.h \
	lib/base/checksum.c lib/base/checksum.h \
	lib/base/latency.h \
	lib/base/mutex.c \
	lib/base/mutex.h \
	lib/base/os.c lib/base/os.h \
	lib/base/util.h

noinst_LIBRARIES += lib/pool-file/libpoolfile.a
lib_pool_file_libpoolfile_a_SOURCES = \
	lib/pool-file/backing-record.h \
	lib/pool-file/devices.c \
	lib/pool-file/pool-file.c lib/pool-file/pool-file.h

noinst_LIBRARIES += lib/codec/libcodec.a
lib_codec_libcodec_a_SOURCES = \
	lib/codec/codec.c lib/codec/codec.h \
	lib/codec/codecs.h \
	lib/codec/dictionary.c lib/codec/dictionary.h \
	lib/codec/dictionary-train.c lib/codec/dictionary-train.h \
	lib/codec/lz4.c \
	lib/codec/lz4hc.c \
	lib/codec/method.c lib/codec/method.h \
	lib/codec/scratch.c lib/codec/scratch.h \
	lib/codec/stream.c lib/codec/stream.h \
	lib/codec/stream-internal.h \
	lib/codec/stream-methods.c
if HAVE_LZO
lib_codec_libcodec_a_SOURCES += lib/codec/lzo.c
endif
if HAVE_ZSTD
lib_codec_libcodec_a_SOURCES += lib/codec/zstd.c
endif
if HAVE_DEFLATE
lib_codec_libcodec_a_SOURCES += lib/codec/deflate.c
endif

noinst_LIBRARIES += lib/alloc/liballoc.a
lib_alloc_liballoc_a_SOURCES = \
	lib/alloc/arena.c lib/alloc/arena.h \
	lib/alloc/objects.c lib/alloc/objects.h \
	lib/alloc/objects-check.c \
	lib/alloc/objects-compact.c \
	lib/alloc/objects-grow.c \
	lib/alloc/objects-internal.h \
	lib/alloc/reserve.c lib/alloc/reserve.h \
	lib/alloc/size-class.c lib/alloc/size-class.h

noinst_LIBRARIES += lib/backing/libbacking.a
lib_backing_libbacking_a_SOURCES = \
	lib/backing/backing.c lib/backing/backing.h \
	lib/backing/backing-error.c lib/backing/backing-error.h \
	lib/backing/batch.c \
	lib/backing/block-array.c lib/backing/block-array.h \
	lib/backing/checksums.c \
	lib/backing/clean.c \
	lib/backing/file.c \
	lib/backing/header.c \
	lib/backing/internal.h \
	lib/backing/io.c \
	lib/backing/io-run.h \
	lib/backing/load-library.c lib/backing/load-library.h \
	lib/backing/remote.h \
	lib/backing/seal.h \
	lib/backing/space.c
if HAVE_BACKING_KEY
lib_backing_libbacking_a_SOURCES += \
	lib/backing/libgcrypt-load.c lib/backing/libgcrypt-load.h \
	lib/backing/seal.c
else
lib_backing_libbacking_a_SOURCES += lib/backing/seal-none.c
endif
if HAVE_BACKING_NBD
lib_backing_libbacking_a_SOURCES += \
	lib/backing/libnbd-load.c lib/backing/libnbd-load.h \
	lib/backing/nbd.c \
	lib/backing/nbd-client.c lib/backing/nbd-client.h \
	lib/backing/nbd-client-connection.c \
	lib/backing/nbd-client-queue.c \
	lib/backing/nbd-client-requests.c \
	lib/backing/nbd-client-thread.c \
	lib/backing/nbd-client-internal.h \
	lib/backing/remote.c \
	lib/backing/replica.c \
	lib/backing/replicated.c lib/backing/replicated.h \
	lib/backing/replicated-open.c \
	lib/backing/replicated-resync.c
endif

noinst_LIBRARIES += lib/store/libstore.a
lib_store_libstore_a_SOURCES = \
	lib/store/age.c lib/store/age.h \
	lib/store/attach-result.h \
	lib/store/dedup.c lib/store/dedup.h \
	lib/store/dedup-check.c \
	lib/store/dedup-internal.h \
	lib/store/dedup-shard.c \
	lib/store/device.c lib/store/device.h \
	lib/store/device-objects.c lib/store/device-objects.h \
	lib/store/device-resize.c \
	lib/store/device-types.h \
	lib/store/devices.c lib/store/devices.h \
	lib/store/devices-attach.c \
	lib/store/devices-internal.h \
	lib/store/encode.c lib/store/encode.h \
	lib/store/group.c lib/store/group.h \
	lib/store/group-header.h \
	lib/store/page.c lib/store/page.h \
	lib/store/page-claim.c lib/store/page-claim.h \
	lib/store/page-fetch.c lib/store/page-fetch.h \
	lib/store/page-info.h \
	lib/store/page-state.c lib/store/page-state.h \
	lib/store/pool.c lib/store/pool.h \
	lib/store/pool-types.h \
	lib/store/reclaim.c lib/store/reclaim.h \
	lib/store/same.c lib/store/same.h \
	lib/store/slot.h \
	lib/store/table.c lib/store/table.h \
	lib/store/walk.c lib/store/walk.h

noinst_LIBRARIES += lib/maintenance/libmaintenance.a
lib_maintenance_libmaintenance_a_SOURCES = \
	lib/maintenance/compact.c lib/maintenance/compact.h \
	lib/maintenance/idle.c lib/maintenance/idle.h \
	lib/maintenance/maintainer.c lib/maintenance/maintainer.h \
	lib/maintenance/policy.c lib/maintenance/policy.h \
	lib/maintenance/recompress.c lib/maintenance/recompress.h \
	lib/maintenance/reconfigure.c lib/maintenance/reconfigure.h \
	lib/maintenance/regroup.c \
	lib/maintenance/stats.c lib/maintenance/stats.h \
	lib/maintenance/train.c \
	lib/maintenance/trim.c lib/maintenance/trim.h \
	lib/maintenance/writeback.c lib/maintenance/writeback.h \
	lib/maintenance/writeback-internal.h \
	lib/maintenance/writeback-limit.c \
	lib/maintenance/writeback-moves.c

# From the top folder down, as archives are searched.
store_libs = \
	lib/maintenance/libmaintenance.a \
	lib/store/libstore.a \
	lib/backing/libbacking.a \
	lib/alloc/liballoc.a \
	lib/codec/libcodec.a \
	lib/pool-file/libpoolfile.a \
	lib/base/libbase.a \
	$(LZ4_LIBS) $(LZO_LIBS) $(ZSTD_LIBS) $(DEFLATE_LIBS) $(XXHASH_LIBS) \
	-lpthread
