/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Libraries that are loaded only when they are needed, so that other servers
 * don't have them in memory.
 */

#ifndef NBDZRAM_BACKING_LOAD_LIBRARY_H
#define NBDZRAM_BACKING_LOAD_LIBRARY_H

struct library {
  void *handle;                 /* of dlopen, or NULL */
  char problem[256];            /* why it can't be used, or empty */
};

/* Load the library NAME into L, which is zeroed. */
void library_open (struct library *l, const char *name);

/* The function called SYMBOL.  NULL: l->problem says why. */
void *library_find (struct library *l, const char *symbol);

/* l->problem, or NULL if there is none. */
const char *library_problem (const struct library *l);

#endif /* NBDZRAM_BACKING_LOAD_LIBRARY_H */
