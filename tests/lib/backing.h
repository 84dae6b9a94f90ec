/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store with only slots and a backing file, for tests of the latter. */

#ifndef NBDZRAM_TESTS_LIB_BACKING_H
#define NBDZRAM_TESTS_LIB_BACKING_H

#include "lib/backing/backing.h"
#include "unit.h"

#define OBJECT_MAX (65536 + 4)
#define STORE_SLOTS 16384

struct store_slot {
  uint64_t offset;              /* 0: not in the file */
  uint32_t length;
  uint32_t tag;                 /* of its content */
};

struct store {
  struct backing backing;
  struct backing_options options;
  struct budget budget;
  struct backing_record record; /* of the file that slots name */
  struct backing_room sums;     /* of its blocks */
  struct backing_key key;       /* used if options.key points to it */
  uint8_t key_bytes[BACKING_KEY_SIZE];
  char dir[64], path[80];
  struct rng rng;
  struct store_slot slots[STORE_SLOTS];
  struct backing_batch *fresh, *cleaning;
  uint32_t pending[2][STORE_SLOTS]; /* slots by number in a batch */
};

/* Make a file for something that is kept about blocks, and remove it. */
struct backing_room sums_start (void);
void sums_stop (struct backing_room *sums);

/* Open a new file of SIZE bytes in the directory PARENT.  It is encrypted in
 * every second run of the test, as the seed says, or as asked for.
 */
enum store_key { STORE_PLAIN, STORE_WITH_KEY };
struct store *store_open_as (const char *parent, uint64_t size,
                             enum store_key with_key);
struct store *store_open (const char *parent, uint64_t size);
/* Close the file, and keep it. */
void store_leave (struct store *s);
/* Close and open again, as a process that attaches. */
void store_reopen (struct store *s);
void store_close (struct store *s);

/* Bytes of an object, determined by TAG. */
void object_fill (void *buf, uint32_t length, uint32_t tag);

/* Like sizes of compressed pages: 200 to 3800, 1200 on average. */
uint32_t object_length (struct rng *rng);

/* Put a new object of LENGTH bytes into slot N.  It is written when the batch
 * is full, or by store_flush.  -1 with errno when that failed: then the slots
 * of the batch have no object.
 */
int store_put (struct store *s, uint32_t n, uint32_t length);
int store_flush (struct store *s);
void store_drop (struct store *s, uint32_t n);

/* Clean as long as that is due, and frees blocks. */
void store_clean (struct store *s);

/* Check that slot N names its object.  Returns false with errno when it can't
 * be read, or with errno 0 when it is another one.
 */
bool store_slot_ok (struct store *s, uint32_t n);

/* Copy bytes of the file, from block FROM on, to or from BUF. */
void store_blocks (struct store *s, uint32_t from, void *buf, size_t len,
                   bool write);

/* Check all slots and all invariants. */
void store_check (struct store *s);

/* Bytes of used blocks for each live byte, and bytes written for each new
 * one.
 */
double store_space (struct store *s);
double store_writes (struct store *s);

#endif /* NBDZRAM_TESTS_LIB_BACKING_H */
