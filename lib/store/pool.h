/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool: memory in which one or more devices keep their pages.
 *
 * Order of locks, first to last:
 *   pool->maintenance   one job at a time (walk.h)
 *   devices_lock        devices.h
 *   slots               table.h; at most one, or all of one leaf
 *   dedup's shards      dedup.h; one
 *   classes             objects.h; one
 *   arena               arena.h
 * Streams are taken before any slot's lock, and have locks of their own
 * (stream.h): that of methods is taken after devices_lock, by who has no
 * stream, and the other one last of all.
 */

#ifndef NBDZRAM_STORE_POOL_H
#define NBDZRAM_STORE_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/alloc/arena.h"
#include "lib/alloc/objects.h"
#include "lib/alloc/reserve.h"
#include "lib/alloc/size-class.h"
#include "lib/base/budget.h"
#include "lib/codec/codec.h"
#include "lib/codec/dictionary.h"
#include "lib/codec/scratch.h"
#include "lib/codec/stream.h"
#include "lib/pool-file/pool-file.h"
#include "dedup.h"
#include "reclaim.h"
#include "table.h"

struct backing;
struct device;
struct writeback;

/* Who shares the objects of identical pages. */
enum dedup_mode {
  DEDUP_OFF,
  DEDUP_DEVICE,                 /* the pages of a device */
  DEDUP_POOL,                   /* all of them */
};

struct pool_options {
  const char *path;             /* of the pool file; NULL: a memfd */
  struct pool_geometry geometry; /* of a new pool */
  struct algorithm algorithm;   /* for what is written from now on, but to
                                 * devices that have another (devices.h) */
  struct algorithm recompress[RECOMPRESS_MAX]; /* by priority, from 1 on */
  unsigned recompress_count;
  uint64_t mem_limit;           /* bytes; 0: none */
  enum dedup_mode dedup;        /* needs checksums */
  uint64_t dedup_limit;         /* most bytes of its index; 0: none */
};

/* Events since the process began; what can be derived is not counted. */
struct pool_counters {
  _Atomic uint64_t failed_reads;
  _Atomic uint64_t failed_writes;
  _Atomic uint64_t checksum_errors; /* pages found damaged, each time */
  _Atomic uint64_t notify_free;     /* pages trimmed */
  _Atomic uint64_t huge_pages_since;
  _Atomic uint64_t pages_compacted; /* OS pages given back */
  _Atomic uint64_t bad_slots;       /* found damaged at attach */
  _Atomic uint64_t bd_reads;        /* pages read from the backing file */
  _Atomic uint64_t bd_writes;       /* pages written back */
  _Atomic uint64_t bd_stale;        /* times the backing file had something
                                     * else than what was written back */
  _Atomic uint64_t promoted;        /* pages that came back to memory */
};

struct pool {
  struct pool_options options;
  struct pool_file file;
  bool is_kept;                 /* in a file with a name */
  struct budget budget;
  struct size_classes sizes;
  struct arena arena;
  struct objects objects;
  struct slot_locks *locks;
  struct dictionaries dictionaries;
  struct streams streams;
  struct scratch scratch;       /* used under maintenance */
  struct dedup dedup;
  bool has_dedup;               /* some objects may be in it */
  bool objects_are_owned;       /* by a device each */
  /* Set by pool_open_writeback; NULL and 0 without a backing file. */
  struct backing *backing;
  struct writeback *writeback;  /* used under maintenance */
  uint64_t writeback_memory;    /* bytes of the budget that it needs */
  void (*close_writeback) (struct pool *pool);
  struct reclaim reclaim;
  struct reserve reserve;       /* started by who wants one */
  struct device *_Atomic devices[POOL_DEVICES_MAX]; /* by number of record
                                 * (devices.h) */
  _Atomic unsigned device_count;
  pthread_mutex_t devices_lock;
  struct pool_counters counters;
  pthread_mutex_t maintenance;
  _Atomic unsigned maintenance_wanted; /* who has it, and who waits */
  _Atomic uint64_t idle_age;    /* seconds from which a page counts as
                                 * idle in statistics; 0: if marked */
  uint64_t swept_at;            /* seconds (idle.h); under maintenance */
  bool swept;                   /* ... if ever */
  unsigned walk_from;           /* device (walk.c); under maintenance */
  uint64_t trained_pages;       /* pages stored when the last dictionary
                                 * was made; of the maintainer */
  _Atomic bool has_stale;       /* some pages may be stale */
  _Atomic bool wants_dictionary; /* some algorithm has dict=auto */
  uint32_t attach_sign;         /* by chance; 15 bits (group.c) */
};

/* Open or create the pool file and check that it can be used, without
 * mapping or starting anything, so that it may come before a fork or an
 * mlockall.  Errors are pool_file_open's, and
 *   ERANGE  mem_limit is below pool_mem_limit_min
 * An existing pool keeps its geometry: compare pool->file.geometry.
 * NULL with errno set.
 */
struct pool *pool_open (const struct pool_options *options);

/* The smallest mem_limit with which OPTIONS can work at all, found by
 * making a stream.  UINT64_MAX with errno ENOMEM when that failed.
 */
uint64_t pool_mem_limit_min (const struct pool_options *options);

/* The same for POOL, with what its backing file needs, if it has one. */
uint64_t pool_least_limit (const struct pool *pool);

/* Another limit from now on; 0: none.  What is held already stays, even
 * beyond it.  Writes that wait for memory try again if there is room now.
 * 0, or -1 with errno ERANGE (below pool_least_limit), or
 * ENOMEM.
 */
int pool_set_mem_limit (struct pool *pool, uint64_t limit);

/* Try whether there is address space for the pool and a device of SIZE
 * bytes, since after a fork it is late to find out.  Nothing stays
 * mapped.  0, or -1 with errno ENOMEM.
 */
int pool_try_map (struct pool *pool, uint64_t size);

/* Map the pool and find all that it holds.  From here on devices can be
 * opened.  0, or -1 with errno ENOMEM or ENOSPC, EINVAL (a record is
 * damaged), ENOTSUP (pages of a codec that is not built in), EMLINK (no
 * room for another dictionary), ENXIO (pages in a backing file, and none
 * was given), ESTALE (pages beyond the end of what is known of one that is
 * away).
 */
int pool_start (struct pool *pool);

/* Have in memory, and mapped, what requests would have to ask the system
 * for, but for memory of objects (reserve.h): what the pool holds already,
 * tables of devices, streams for STREAMS requests at a time.  A table stays
 * as it is where it would take more than a 32nd of the machine's memory: a
 * disk so much larger can't be filled.  Before there are other threads.  0, or
 * -1 with errno ENOMEM, ENOSPC; what has been done stays.
 */
int pool_make_resident (struct pool *pool, unsigned streams);

/* Does any algorithm say dict=auto?  Then pool_use_dictionary gives it
 * one.
 */
bool pool_wants_dictionary (const struct pool *pool);

/* ... and would pages of D be compressed with it?  Those of a device with an
 * algorithm of its own only when they are recompressed.
 */
bool pool_wants_dictionary_for (const struct pool *pool,
                                const struct device *d);

/* Compress with LENGTH bytes of CONTENT as dictionary wherever the
 * algorithm says dict=auto, while requests go on; and drop the
 * dictionaries that nobody needs.  A job (walk.h).  0, or -1 with errno
 * as in dictionaries_add; then some algorithms may have it, and the
 * others what they had.
 */
int pool_use_dictionary (struct pool *pool, const void *content,
                         size_t length);

/* Compress new pages by ALGORITHM, whose dictionary is the caller's to
 * free.  Maintenance is held.  Errors as in lib/maintenance/reconfigure.h.
 */
int pool_change_algorithm (struct pool *pool,
                           const struct algorithm *algorithm);

/* All devices are closed with it.  Memory goes back when the last holder
 * of the pool file lets go of it.  NULL does nothing.
 */
void pool_close (struct pool *pool);

/* Find the device called NAME among the records of the pool file.
 * Works before pool_start.  Returns its number and its SIZE in bytes, or
 * -1 with errno ENOENT (there is none), EINVAL (a record is damaged).
 */
int pool_find_device (struct pool *pool, const char *name, uint64_t *size);

/* Maintenance: one job at a time, from here to the end of the block. */
#define MAINTENANCE_FOR_SCOPE(pool)                                     \
  __attribute__ ((cleanup (maintenance_end), unused))                   \
  struct pool *scope_maintenance_ = maintenance_begin (pool)

static inline struct pool *
maintenance_begin (struct pool *pool)
{
  atomic_fetch_add (&pool->maintenance_wanted, 1);
  pthread_mutex_lock (&pool->maintenance);
  return pool;
}

static inline void
maintenance_end (struct pool **pool)
{
  pthread_mutex_unlock (&(*pool)->maintenance);
  atomic_fetch_sub (&(*pool)->maintenance_wanted, 1);
}

/* Is somebody else waiting for the job at hand to end? */
static inline bool
maintenance_is_wanted (const struct pool *pool)
{
  return atomic_load_explicit (&pool->maintenance_wanted,
                               memory_order_relaxed) > 1;
}

#endif /* NBDZRAM_STORE_POOL_H */
