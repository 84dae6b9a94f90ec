/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One device of several: what swapon does to have an array of the devices
 * it has attached, whatever is there already.
 */

#ifndef NBDZRAM_COMMAND_SWAP_ARRAY_H
#define NBDZRAM_COMMAND_SWAP_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "command/attach/md.h"

struct array {
  const char *title;            /* what it is to be called */
  bool mirror;                  /* or a stripe */
  int index[MD_HALVES_MAX];     /* of its /dev/nbdN */
  unsigned count;
  unsigned missing;             /* halves of a mirror that come later */

  char name[MD_NAME_SIZE];      /* "md127"; empty: there is none yet */
  bool begun;                   /* by this run, be it that it failed later */
};

/* Use the array that has some of the devices; or put together the one
 * whose superblocks they have; or, where all are empty, make one.  To a
 * mirror those are added that it lacks.  Each step is printed.  0, or -1
 * with a line in ERROR; what was begun is the caller's to undo, by
 * md_stop.
 */
int array_join (struct array *a, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_SWAP_ARRAY_H */
