/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking a swap down: undo all that setup.h did, whichever process did it and
 * wherever it was killed.
 */

#ifndef NBDZRAM_COMMAND_SWAP_TEARDOWN_H
#define NBDZRAM_COMMAND_SWAP_TEARDOWN_H

#include <stdbool.h>

#include "command/attach/record.h"

#include "state.h"

struct swap_teardown {
  const char *verb;             /* for messages: "swapoff" or "umount" */
  const char *name;
  bool mount;                   /* unmount the file system first */
  const char *directory;        /* where it must be mounted; NULL: anywhere */
  bool force;                   /* also if pages may not fit in memory */
  bool no_systemd;              /* end the server ourselves */
  bool shutdown;                /* the machine is going down */
  bool lost;                    /* the pages are lost: see remains.h */
  bool has_areas;               /* the disk is cut into areas */
  struct swap_state state;
  struct attachment attached[CONF_REMOTES_MAX];
  unsigned attached_count;
  char array[MD_NAME_SIZE];     /* of the attached devices; empty: none */
};

/* Find everything that belongs to NAME, turn off the swap, and then undo the
 * rest.  SIGINT and SIGTERM interrupt it; then a second run continues.
 *
 * AFTER_UNIT: do what the unit of NAME does when it has ended, with its swap
 * still on: keep it on until the machine is off, or start the unit again.
 *
 * Returns an exit code; if it is not EXIT_OK, that has been reported: the swap
 * stays on, something could not be undone, or there is nothing.
 */
int swap_teardown_command (struct swap_teardown *t, bool after_unit);

#endif /* NBDZRAM_COMMAND_SWAP_TEARDOWN_H */
