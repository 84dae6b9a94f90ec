/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of teardown.c share. */

#ifndef NBDZRAM_COMMAND_SWAP_TEARDOWN_STEPS_H
#define NBDZRAM_COMMAND_SWAP_TEARDOWN_STEPS_H

#include "teardown.h"

/* Report that SUBJECT failed, and WHY unless that is NULL.  Returns -1. */
int teardown_fail (const struct swap_teardown *t, const char *subject,
                   const char *why);

/* ---- teardown-swap.c ---- */

/* Turn off swap on DEVICE; 0 also where it is off.  Progress is printed.
 * Interrupted, or without room for its pages, swap stays on: -1.
 */
int teardown_deactivate (struct swap_teardown *t, const char *device);

/* ---- teardown-mount.c ---- */

bool teardown_is_mounted (const struct swap_teardown *t);

/* Unmount everything that is mounted from the devices of T.  -1: it is in use,
 * and stays mounted.
 */
int teardown_unmount (struct swap_teardown *t);

#endif /* NBDZRAM_COMMAND_SWAP_TEARDOWN_STEPS_H */
