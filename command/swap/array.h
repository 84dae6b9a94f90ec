/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One md array of several attached devices, from whatever state they and the
 * kernel are in.
 */

#ifndef NBDZRAM_COMMAND_SWAP_ARRAY_H
#define NBDZRAM_COMMAND_SWAP_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "command/attach/md.h"

struct array {
  const char *title;            /* the name for mdadm */
  bool mirror;                  /* else a stripe */
  int index[MD_MEMBERS_MAX];     /* of each /dev/nbdN */
  unsigned count;
  unsigned missing;             /* members of a mirror that come later */

  char name[MD_NAME_SIZE];      /* "md127"; empty: no array yet */
  bool begun;                   /* array_join started one, and may have
                                 * failed later */
};

/* Use the running array that has some of the devices; or assemble the one
 * whose superblocks they have; or create one if all are empty.  Members that
 * a mirror lacks are added to it.  Each step is printed.  0, or -1 with a
 * line in ERROR; if BEGUN is set then, the caller must call md_stop.
 */
int array_join (struct array *a, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_SWAP_ARRAY_H */
