/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What writing back and cleaning share: a batch of objects with the slots
 * that name them.
 */

#ifndef NBDZRAM_MAINTENANCE_WRITEBACK_INTERNAL_H
#define NBDZRAM_MAINTENANCE_WRITEBACK_INTERNAL_H

#include "writeback.h"

#define MOVES_MAX 4096
#define MOVES_HASH 8192         /* a power of two, and larger */

/* A page whose object is in the batch. */
struct move {
  struct device *device;
  uint64_t index;
  slot_t slot;                  /* when it was added */
  page_info info;
  unsigned number;              /* of its object in the batch */
  uint32_t charged;             /* bytes, to the day's limit */
};

struct moves {
  struct backing_batch *batch;
  unsigned count;
  struct move moves[MOVES_MAX];
  uint16_t by_slot[MOVES_HASH]; /* number + 1 of a move; 0: none */
};

struct writeback {
  struct moves *out;            /* from memory to the file */
  struct moves *cleaning;       /* within the file */
  uint8_t *object;              /* room to read one */
  size_t bytes;                 /* taken from the budget */
  _Atomic uint64_t daily_limit, left; /* bytes */
  uint64_t day_began;           /* seconds; under maintenance */
  bool began;
};

/* The first page of the batch whose slot named the same object as SLOT when it
 * was added, or NULL.  It may be another object now: see writeback.c.
 */
const struct move *moves_find (const struct moves *m, slot_t slot);

/* Add a page, and its OBJECT.  With TWIN, from moves_find, the page shares the
 * object of that one.  MOVE is copied, except its number, which is set here.
 * 0, or -1 with errno EAGAIN: there is no room.
 */
int moves_add (struct moves *m, const struct move *move,
               const uint8_t *object, const struct move *twin);

/* Write the batch, and call FN for each page with the slot that names its
 * object in the file, or SLOT_EMPTY if there was no room for it.  Then the
 * batch is empty.  0, or -1 with errno of backing_flush; then FN is called
 * with SLOT_EMPTY for all pages.
 */
int moves_flush (struct moves *m,
                 void (*fn) (const struct move *move, slot_t slot,
                             void *opaque),
                 void *opaque);

/* Count an object of BYTES.  Returns false if today's limit has no room for
 * it.
 */
bool take_from_limit (struct writeback *w, uint32_t bytes);

/* The object was not written after all. */
void return_to_limit (struct writeback *w, uint32_t bytes);

#endif /* NBDZRAM_MAINTENANCE_WRITEBACK_INTERNAL_H */
