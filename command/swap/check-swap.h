/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What swapon looks at before it turns a swap on: all that nbdzram check does.
 * What is not as it should be is said to standard error, in lines with what is
 * to be done about it.
 */

#ifndef NBDZRAM_COMMAND_SWAP_CHECK_SWAP_H
#define NBDZRAM_COMMAND_SWAP_CHECK_SWAP_H

#include <stdbool.h>

enum swap_verdict {
  SWAP_SAFE,                    /* or what is missing was accepted */
  SWAP_REFUSED,                 /* something is missing */
  SWAP_UNKNOWN,                 /* its server does not answer */
};

/* Before anything is started of what has real-time priority: can it run?
 * Where it can't, it stands still at once.
 */
bool swap_check_first (const char *name);

struct swap_check {
  const char *name;
  bool remote;                  /* its servers are elsewhere */
  bool refuse;                  /* what is missing is not only said */
};

/* When all processes are there: what the kernel says of them.
 *
 * The swapon of a unit, which has its journal, leaves word in NAME.refused
 * for one that has the unit started, and knows of that by its NAME.conf.
 */
enum swap_verdict swap_check (const struct swap_check *c);

/* Say what the unit's swapon has left, and forget it. */
void swap_check_pass_on (const char *name);

/* Forget it. */
void swap_check_forget (const char *name);

#endif /* NBDZRAM_COMMAND_SWAP_CHECK_SWAP_H */
