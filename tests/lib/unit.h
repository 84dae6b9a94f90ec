/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Helpers for tests of the store: random numbers, page content, pools, and
 * checks of their invariants.
 */

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

/* The function of a test, as cmocka calls it. */
#define TEST(name) static void name (void **state __attribute__ ((unused)))

/* ---- random numbers, always replayable ---- */

struct rng {
  uint64_t state;
};

uint64_t rng_next (struct rng *r);
uint64_t rng_below (struct rng *r, uint64_t n);

/* The seed of this run: SEED of the environment, or a new one.  The first
 * call prints it.
 */
uint64_t unit_seed (void);

/* ---- how much to do ---- */

/* Is NBDZRAM_QUICK set, as under tools that make everything many times slower?
 */
bool unit_quick (void);

/* N, or a tenth of it when quick. */
unsigned unit_scaled (unsigned n);

/* Is this program built with a sanitizer, or does it run under valgrind
 * (NBDZRAM_VALGRIND is set)?  Then address space is short, and the system's
 * memory counters say little.
 */
bool unit_instrumented (void);

/* ---- pages ---- */

enum data_kind {
  DATA_ZERO,
  DATA_SAME,                    /* of a word that fits a slot */
  DATA_SAME_STORED,             /* of a word that doesn't */
  DATA_TEXT,
  DATA_RECORDS,                 /* pointers, counters, flags */
  DATA_PARTLY_RANDOM,           /* any part of it is random */
  DATA_RANDOM,
  DATA_KINDS,
};

/* Fill PAGE.  The content depends on the arguments only. */
void data_fill (void *page, size_t size, enum data_kind kind, uint64_t tag);

/* The same, with a kind that is chosen by TAG.  Each kind is as frequent as in
 * real memory.
 */
void data_realistic (void *page, size_t size, uint64_t tag);

/* ---- pools ---- */

struct unit_pool {
  struct pool *pool;
  struct pool_options options;
  enum attach_result started;   /* by unit_attach, the last time */
  char path[32];
  int fd;                       /* keeps the file while no pool is open */
};

struct algorithm unit_algorithm (const char *spec);

/* The algorithm to recompress by: a strong one, but a faster one where
 * everything is slow.
 */
const char *unit_strong (void);

/* Open a pool in a file without a name, which lives as long as fd.  LIMIT is
 * mem_limit.  0, or -1 with errno; "started" says more.  unit_detach closes
 * the pool and keeps the file, unit_attach opens it again, unit_reopen does
 * both, and unit_close closes the file as well.
 */
int unit_open (struct unit_pool *u, const char *algorithm, uint32_t page_size,
               bool checksum, uint64_t limit);
int unit_attach (struct unit_pool *u);
int unit_reopen (struct unit_pool *u);
void unit_detach (struct unit_pool *u);
void unit_close (struct unit_pool *u);

/* Bytes of memory behind the pool's file. */
uint64_t unit_file_bytes (const struct pool *pool);

/* How many usable dictionaries there are. */
unsigned dictionaries_alive (const struct dictionaries *d);

/* ---- invariants ---- */

/* Totals over the slots of all devices. */
struct unit_sums {
  uint64_t pages;               /* that have an object in the arena */
  uint64_t written_back;        /* that have one in the backing file */
  uint64_t shared;              /* that share the object of another page */
  uint64_t objects, bytes, huge, group, same_inline, same_stored, bad;
  uint64_t devices, leaves, map_pages, info_pages;
  uint64_t held[POOL_DEVICES_MAX]; /* bytes, by device */
};

/* Check the invariants of objects_check, and that each object named by a slot
 * exists, and is named once or by pages that share it.  Returns NULL, or the
 * condition that does not hold.
 */
const char *unit_walk (struct pool *pool, struct unit_sums *sums);

/* Check that slots and objects correspond exactly, and that the budget and the
 * file hold the sum of their parts.  This is so in a pool without damage while
 * no request is executed.
 */
const char *unit_check (struct pool *pool);

#define assert_pool_ok(pool)                                            \
  do {                                                                  \
    const char *wrong_ = unit_check (pool);                             \
    if (wrong_)                                                         \
      fail_msg ("invariant: %s", wrong_);                               \
  } while (0)

#endif /* NBDZRAM_TESTS_LIB_UNIT_H */
