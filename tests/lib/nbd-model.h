/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of nbd-model share: its options, segments and requests. */

#ifndef NBDZRAM_TESTS_LIB_NBD_MODEL_H
#define NBDZRAM_TESTS_LIB_NBD_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libnbd.h>

#include "prng.h"

#define CONNECTIONS 2                   /* of each thread */
#define DEPTH 8
#define LENGTH_MAX (256 * 1024)

struct segment {
  uint64_t offset;
  uint32_t length;
  unsigned owner;
};

enum kind { WRITE, READ, TRIM, ZERO, CACHE, FLUSH, KINDS };

struct op {
  enum kind kind;
  uint32_t flags;
  uint64_t offset;
  uint32_t length;
  uint8_t *data;
  struct nbd_handle *nbd;
  int64_t cookie;
};

struct worker {
  unsigned id;
  uint64_t random;
  struct nbd_handle *disk[CONNECTIONS];
  struct nbd_handle *oracle;
  struct op ops[DEPTH];
  uint8_t *expected;            /* LENGTH_MAX */
  unsigned batch;
  uint64_t requests;
};

struct extents {
  uint64_t offset, end;         /* told so far */
  unsigned n;
  uint64_t starts[4096];
  uint64_t ends[4096];
  uint32_t flags[4096];
};

/* Options, and what follows from them. */
extern uint64_t seed, disk_size;
extern unsigned threads;
extern uint32_t page_size;

/* In order of their offsets. */
extern struct segment *segments;
extern size_t n_segments;

void fail (const char *fmt, ...)
  __attribute__ ((noreturn, format (printf, 1, 2)));
void *allocate (size_t size);

static inline uint64_t
min (uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

static inline uint64_t
max (uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

/* ---- nbd-model-data.c ---- */

/* From 1 to LIMIT, each order of magnitude as likely as the others, whole
 * pages and a byte more or less more likely than the rest.
 */
uint32_t pick_length (uint64_t *random, uint32_t limit);

/* What to write to LENGTH bytes at OFFSET. */
void fill (uint64_t *random, uint8_t *p, uint32_t length, uint64_t offset);

/* ---- nbd-model-requests.c ---- */

/* Deal out the disk to the threads. */
void cut_segments (void);

/* Requests of one worker, to the disk and then to the oracle. */
void one_batch (struct worker *w);

/* ---- nbd-model-extents.c ---- */

/* Block status from OFFSET on, for the caller to free. */
struct extents *get_extents (struct nbd_handle *nbd, uint64_t offset,
                             uint64_t length, uint32_t flags);

/* What is called zero is zero to the oracle, where worker ID owns it, or
 * everywhere if it is -1.
 */
void check_extents (const struct extents *e, struct nbd_handle *oracle,
                    int id);
void one_block_status (struct worker *w);

/* A read across everybody's bytes; own ones must be right. */
void one_wide_read (struct worker *w);

#endif /* NBDZRAM_TESTS_LIB_NBD_MODEL_H */
