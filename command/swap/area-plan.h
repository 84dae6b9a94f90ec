/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decides which areas of a swap the kernel may use.
 *
 * The kernel believes what a swap area says of its size, and says little of
 * what it has freed: a slot is discarded only when all 512 of its cluster are
 * free.  So a disk that is larger than its pool's limit fills the pool while
 * the kernel still sees free swap, and the pages of programs that have ended
 * stay stored.  Therefore a disk is cut into areas, each of which is turned on
 * and off by itself:
 *
 * - Free swap is a promise: each free slot may be filled with an
 *   incompressible page.  An area is added only if the pool can keep the
 *   promise for it, too, and an empty one is removed when it no longer can.
 *   A backing file counts as room, but for an eighth.
 * - Linux frees a slot as soon as its page is read back while less than half
 *   of all swap is free (vm_swap_full), and leaves it stored.  So as long as
 *   the pool has room for more than twice what is used, an area is added as
 *   soon as half of the present ones is used, and nothing is dead.  After
 *   that, each free slot that was used before is dead until it is used again.
 *   The kernel does not touch an area before all slots of those before it are
 *   used, so one spare area is kept that is empty, in which nothing is dead,
 *   and which a burst may fill while the next one is added.
 * - An area that is mostly dead (stored, but used by nothing) is turned off,
 *   which reads back what lives there, trimmed, and turned on again; but only
 *   if there is memory for that, and free swap elsewhere: a control group
 *   whose memory is limited must swap out as much at the same time.
 *
 * An area is as large as the promise allows when it is added.  Sizes that were
 * fixed before would be too large for data that compresses badly, or too many
 * for data that compresses well.
 *
 * All functions here are pure.  Sizes are in bytes.
 */

#ifndef NBDZRAM_COMMAND_SWAP_AREA_PLAN_H
#define NBDZRAM_COMMAND_SWAP_AREA_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/util.h"

#define AREAS_MAX 16

/* The kernel's clusters, and the pages of a leaf of the store's table. */
#define AREA_ALIGNMENT (2 * MIB)

/* Smaller areas are not worth their entries: the kernel has 32. */
#define AREA_LEAST (2 * MIB)

/* The first page of an area is its header, and stays stored. */
#define AREA_HEADER (64 * KIB)

/* An area as it is at one moment. */
struct area_use {
  uint64_t start, size;         /* on the disk; a size of 0: there is none */
  uint64_t used;                /* by the kernel; 0 when it is off */
  uint64_t stored;              /* pages that the server holds of it */
  bool is_on;
  bool is_barred;               /* another program has turned it off */
};

struct areas_use {
  struct area_use areas[AREAS_MAX];
  unsigned most;                /* how many there may be */
  uint64_t disk;                /* its size */
  uint64_t limit, held;         /* the pool's memory; a limit of 0: none */
  uint64_t backing_room;        /* free in its backing file */
  uint64_t page_size;           /* of the pool; not used by the plan */
  uint64_t available;           /* memory of the machine */
  uint64_t other_free;          /* free in the machine's other swap */
  uint64_t ram;
  bool must_not_read;           /* areas back, so soon after the last one */
};

enum area_action {
  AREA_KEEP,                    /* all is well */
  AREA_ADD,                     /* make it, and turn it on */
  AREA_REMOVE,                  /* turn it off, trim and remove it */
  AREA_RENEW,                   /* turn it off, trim it, and turn it on */
  AREA_TRIM,                    /* trim it; it is off */
  AREA_ACTIONS,
};

struct area_step {
  enum area_action action;
  unsigned area;                /* 0 if all is well */
  uint64_t start, size;         /* of an area to add */
};

/* Where the areas are with which a disk begins, whose pool is empty: in all
 * what the pool can hold at worst.  Puts them in U, which has neither; U->most
 * is from 2.  Returns their number, or 0: the pool is too small for areas.
 */
unsigned area_plan_begin (struct areas_use *u);

/* What to do next. */
struct area_step area_plan_next (const struct areas_use *u);

/* How much the kernel may use until the areas are nearly used up; 0: they are.
 * If AREA is one of them, without it.
 */
uint64_t area_plan_slack (const struct areas_use *u, unsigned area);

/* May the kernel write more than the pool has room for?  If the plan has no
 * step then, pages were written anew that compress worse, or the limit is
 * lower than it was.
 */
bool area_plan_promises_too_much (const struct areas_use *u);

/* How much of what is stored in A is dead. */
uint64_t area_dead (const struct area_use *a);

/* How much memory has to stay free while an area is turned off. */
uint64_t area_plan_reserve (const struct areas_use *u);

/* How much more the pool may take for pages, in memory and in its backing
 * file.  A write that finds no memory waits until pages are written back, so
 * it is slowed to what the disk can do.
 */
uint64_t area_plan_room (const struct areas_use *u);

#endif /* NBDZRAM_COMMAND_SWAP_AREA_PLAN_H */
