/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a pool consists of, and the order of its locks.  pool.h has the
 * functions that open, start and close it.
 *
 * Order of locks, first to last:
 *   pool->maintenance   one job at a time (walk.h)
 *   devices_lock        devices.h
 *   slots               table.h; at most one, or all of one leaf
 *   dedup's shards      dedup.h; one
 *   classes             objects.h; one
 *   arena               arena.h
 *
 * A thread takes its stream before any slot's lock.  Streams have two locks
 * of their own (stream.h): the lock of methods is taken after devices_lock,
 * by a thread that has no stream; the other one comes last of all.
 */

#ifndef NBDZRAM_STORE_POOL_TYPES_H
#define NBDZRAM_STORE_POOL_TYPES_H

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

/* Which identical pages share an object. */
enum dedup_mode {
  DEDUP_OFF,
  DEDUP_DEVICE,                 /* those of the same device */
  DEDUP_POOL,                   /* those of all devices */
};

struct pool_options {
  const char *path;             /* of the pool file; NULL: a memfd */
  struct pool_geometry geometry; /* of a new pool */
  struct algorithm algorithm;   /* for pages written from now on, except to
                                 * devices with their own (devices.h) */
  struct algorithm recompress[RECOMPRESS_MAX]; /* by priority, from 1 on */
  unsigned recompress_count;
  uint64_t mem_limit;           /* bytes; 0: none */
  enum dedup_mode dedup;        /* needs checksums */
  uint64_t dedup_limit;         /* most bytes of its index; 0: none */
};

/* Events since the process began.  What can be derived is not counted. */
struct pool_counters {
  _Atomic uint64_t failed_reads;
  _Atomic uint64_t failed_writes;
  _Atomic uint64_t checksum_errors; /* each time that a page was found
                                     * damaged */
  _Atomic uint64_t notify_free;     /* pages trimmed */
  _Atomic uint64_t huge_pages_since;
  _Atomic uint64_t pages_compacted; /* OS pages given back */
  _Atomic uint64_t bad_slots;       /* found damaged at attach */
  _Atomic uint64_t bd_reads;        /* pages read from the backing file */
  _Atomic uint64_t bd_writes;       /* pages written back */
  _Atomic uint64_t bd_stale;        /* times that the backing file returned
                                     * something other than what was
                                     * written back */
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
  bool has_dedup;               /* some objects may be in the index */
  bool objects_are_owned;       /* each object counts for one device */
  /* Set by pool_open_writeback; NULL and 0 without a backing file. */
  struct backing *backing;
  struct writeback *writeback;  /* used under maintenance */
  uint64_t writeback_memory;    /* bytes of the budget that it needs */
  void (*close_writeback) (struct pool *pool);
  struct reclaim reclaim;
  struct reserve reserve;       /* started only where one is wanted */
  struct device *_Atomic devices[POOL_DEVICES_MAX]; /* by number of record
                                 * (devices.h) */
  _Atomic unsigned device_count;
  pthread_mutex_t devices_lock;
  struct pool_counters counters;
  pthread_mutex_t maintenance;
  _Atomic unsigned maintenance_wanted; /* jobs that run or wait */
  _Atomic uint64_t idle_age;    /* seconds from which a page counts as idle
                                 * in statistics; 0: only marked pages */
  uint64_t swept_at;            /* seconds (idle.h); under maintenance */
  bool swept;                   /* ... if ever */
  unsigned walk_from;           /* device (walk.c); under maintenance */
  uint64_t trained_pages;       /* pages stored when the last dictionary was
                                 * made; used by the maintainer only */
  _Atomic bool has_stale;       /* some pages may be stale */
  _Atomic bool wants_dictionary; /* some algorithm has dict=auto */
  uint32_t attach_sign;         /* random, 15 bits (device-objects.c) */
};

/* Hold pool->maintenance until the end of the block. */
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

/* Does another thread wait until the running job ends? */
static inline bool
maintenance_is_wanted (const struct pool *pool)
{
  return atomic_load_explicit (&pool->maintenance_wanted,
                               memory_order_relaxed) > 1;
}

#endif /* NBDZRAM_STORE_POOL_TYPES_H */
