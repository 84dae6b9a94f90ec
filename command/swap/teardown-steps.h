/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of teardown.c share. */

#ifndef NBDZRAM_COMMAND_SWAP_TEARDOWN_STEPS_H
#define NBDZRAM_COMMAND_SWAP_TEARDOWN_STEPS_H

#include <limits.h>

#include "teardown.h"

/* Report that SUBJECT failed, and WHY unless that is NULL.  Returns -1. */
int teardown_fail (const struct swap_teardown *t, const char *subject,
                   const char *why);

/* ---- after-unit.c ---- */

/* 0, or -1 when something failed, which has been reported. */
int teardown_after_unit (struct swap_teardown *t);

/* ---- teardown-swap.c ---- */

/* Turn off swap on DEVICE; 0 also where it is off.  Progress is printed.
 * Interrupted, or without room for its pages, swap stays on: -1.
 */
int teardown_deactivate (struct swap_teardown *t, const char *device);

/* ---- teardown-mount.c ---- */

bool teardown_is_mounted (const struct swap_teardown *t);

/* Is a disk of T mounted, but not on its directory?  Then WHERE is the place:
 * /var/tmp and /var-tmp give the same name.
 */
bool teardown_is_elsewhere (const struct swap_teardown *t,
                            char where[PATH_MAX]);

/* Unmount everything that is mounted from the devices of T.  -1: it is in use,
 * and stays mounted.
 */
int teardown_unmount (struct swap_teardown *t);

#endif /* NBDZRAM_COMMAND_SWAP_TEARDOWN_STEPS_H */
