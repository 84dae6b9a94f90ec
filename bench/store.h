/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of bench/store share: the two sides that are compared, and
 * the times of their turns.
 */

#ifndef NBDZRAM_BENCH_STORE_H
#define NBDZRAM_BENCH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/store/devices.h"
#include "lib/store/pool.h"
#include "measure.h"

#define SEED 1

struct packed_page {
  uint64_t offset;
  uint32_t length;
};

struct bench {
  struct data data;
  struct algorithm algorithm;
  bool checksum;
  size_t rounds;                /* of each comparison, at most ... */
  double seconds;               /* ... and not begun after that */
  struct pool *pool;
  struct device *device;
  uint8_t *packed;              /* what the bare read loop decompresses */
  struct packed_page *index;
  uint32_t *order;              /* of reads */
};

/* What one thread needs to run bare loops. */
struct runner {
  struct bench *b;
  void *compressor, *decompressor;
  uint8_t *out, *page;
};

/* A side of a comparison.  RUN does pages FIRST up to END, counted in
 * the order of the side.  Page number i of the data lies at page
 * i + SHIFT of the disk: with another shift each round, what is written
 * has another size than what it replaces.
 */
struct side {
  void (*run) (struct runner *r, const struct side *side,
               size_t first, size_t end);
  uint64_t shift;
};

struct turns {
  size_t count;                 /* to go through all the data */
  size_t rounds;
  double *ratios;               /* by round */
  double *best[2];              /* by turn and side */
  double total[2];
};

/* ---- store-sides.c ---- */

/* A loop of the codec alone, and the store, for struct side. */
void bare_write (struct runner *r, const struct side *side, size_t first,
                 size_t end);
void store_write (struct runner *r, const struct side *side, size_t first,
                  size_t end);
void bare_read (struct runner *r, const struct side *side, size_t first,
                size_t end);
void store_read (struct runner *r, const struct side *side, size_t first,
                 size_t end);

void runner_init (struct runner *r, struct bench *b);
void runner_free (struct runner *r);

/* A new pool. */
void empty_the_disk (struct bench *b);

/* Compress all pages for the bare read loop. */
void pack (struct bench *b, struct runner *r);
void unpack (struct bench *b);

/* ---- store-turns.c ---- */

struct turns turns_new (size_t pages, size_t rounds);
void turns_free (struct turns *t);

/* Side S took SECONDS for a turn; SUM is that of the round. */
void turns_note (struct turns *t, int s, size_t turn, double seconds,
                 double sum[2]);
void round_done (struct turns *t, const double sum[2]);

/* A row of the table. */
void report (const struct bench *b, const char *what, const struct turns *t,
             const char *const names[2], enum aim aim, double target);

/* Both sides go through all the data. */
void one_round (struct runner *r, struct turns *t,
                const struct side sides[2]);

/* After I rounds since START, another?  Three make a median. */
bool go_on (const struct bench *b, size_t i, double start);

/* ---- store-threads.c ---- */

void measure_threads (struct bench *b, struct runner *r);

#endif /* NBDZRAM_BENCH_STORE_H */
