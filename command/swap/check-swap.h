/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What swapon checks before it turns a swap on: the same as nbdzram check.
 * Each problem is a line on standard error that also says what to do.
 */

#ifndef NBDZRAM_COMMAND_SWAP_CHECK_SWAP_H
#define NBDZRAM_COMMAND_SWAP_CHECK_SWAP_H

#include <stdbool.h>

enum swap_verdict {
  SWAP_SAFE,                    /* or the user accepts what is missing */
  SWAP_REFUSED,                 /* something is missing */
  SWAP_UNKNOWN,                 /* the server does not answer */
};

/* Can processes of real-time priority run?  To be called before any is
 * started: where they can't, they stand still at once.
 */
bool swap_check_real_time (const char *name);

struct swap_check {
  const char *name;
  bool remote;                  /* the servers are on other machines */
  bool refuse;                  /* refuse if something is missing, or else
                                 * only print it */
};

/* Check the machine and all processes, which must be running.
 *
 * When systemd runs swapon for a unit, its messages go to the journal.  So it
 * also saves them in NAME.refused, for the swapon that had the unit started;
 * NAME.conf shows that there is one.
 */
enum swap_verdict swap_check (const struct swap_check *c);

/* Print the messages that the swapon of the unit saved, and forget them. */
void swap_check_print_refusal (const char *name);

/* Forget them. */
void swap_check_forget_refusal (const char *name);

#endif /* NBDZRAM_COMMAND_SWAP_CHECK_SWAP_H */
