/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the store share. */

#ifndef NBDZRAM_TESTS_LIB_UNIT_H
#define NBDZRAM_TESTS_LIB_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/store/device.h"
#include "lib/store/pool.h"

#define SKIPPED 77

/* ---- chance, always replayable ---- */

struct rng {
  uint64_t state;
};

uint64_t rng_next (struct rng *r);
uint64_t rng_below (struct rng *r, uint64_t n);

/* The number that this run's chance comes from: the environment's SEED,
 * or a new one.  Printed when first asked for.
 */
uint64_t unit_seed (void);

/* ---- how much to do ---- */

/* Is NBDZRAM_QUICK set, as where everything is many times slower? */
bool unit_quick (void);

/* N, or a tenth of it when quick. */
unsigned unit_scaled (unsigned n);

/* Is this program built with a sanitizer, or running under valgrind
 * (told by NBDZRAM_VALGRIND)?  Then address space is short, and the
 * system's memory counters say little.
 */
bool unit_instrumented (void);

/* ---- pages ---- */

enum data_kind {
  DATA_ZERO,
  DATA_SAME,                    /* its word fits a slot */
  DATA_SAME_STORED,             /* it doesn't */
  DATA_TEXT,
  DATA_RECORDS,                 /* pointers, counters, flags */
  DATA_PARTLY_RANDOM,           /* of all degrees */
  DATA_RANDOM,
  DATA_KINDS,
};

/* Fill PAGE with what its arguments determine, and nothing else does. */
void data_fill (void *page, size_t size, enum data_kind kind, uint64_t tag);

/* Likewise, of a kind that TAG chooses as often as memory does. */
void data_realistic (void *page, size_t size, uint64_t tag);

/* ---- pools ---- */

struct unit_pool {
  struct pool *pool;
  struct pool_options options;
  char path[32];
  int fd;                       /* keeps the file while no pool has it */
};

struct algorithm unit_algorithm (const char *spec);

/* What to recompress by: strong, but not where everything is slow. */
const char *unit_strong (void);

/* Open a pool in a file without a name, which lives as long as fd.
 * LIMIT is mem_limit.  0, or -1 with errno.
 */
int unit_open (struct unit_pool *u, const char *algorithm, uint32_t page_size,
               bool checksum, uint64_t limit);
int unit_attach (struct unit_pool *u);
int unit_reopen (struct unit_pool *u);
void unit_detach (struct unit_pool *u);
void unit_close (struct unit_pool *u);

/* Bytes of memory behind the pool's file. */
uint64_t unit_file_bytes (const struct pool *pool);

/* ---- invariants ---- */

/* What the slots of all devices say. */
struct unit_sums {
  uint64_t pages;               /* that have an object here */
  uint64_t written_back;        /* ... in the backing file */
  uint64_t shared;              /* ... which is another's, too */
  uint64_t objects, bytes, huge, group, same_inline, same_stored, bad;
  uint64_t devices, leaves, map_pages, info_pages;
  uint64_t held[POOL_DEVICES_MAX]; /* bytes, by device */
};

/* Check objects_check's invariants, and that each object named by a
 * slot exists and is named once, or by pages that share it.  Returns
 * NULL, or what is wrong.
 */
const char *unit_walk (struct pool *pool, struct unit_sums *sums);

/* Check that slots and objects correspond exactly, and that the budget
 * and the file hold the sum of their parts: true of a pool without
 * damage while no request goes on.
 */
const char *unit_check (struct pool *pool);

#define assert_pool_ok(pool)                                            \
  do {                                                                  \
    const char *wrong_ = unit_check (pool);                             \
    if (wrong_)                                                         \
      fail_msg ("invariant: %s", wrong_);                               \
  } while (0)

#endif /* NBDZRAM_TESTS_LIB_UNIT_H */
