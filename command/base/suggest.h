/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user may have meant by a word that is misspelt.  Each valid word is
 * tried; the nearest one is suggested, if it is near enough.
 */

#ifndef NBDZRAM_COMMAND_BASE_SUGGEST_H
#define NBDZRAM_COMMAND_BASE_SUGGEST_H

#include <stddef.h>

struct suggestion {
  const char *word;             /* as the user wrote it */
  size_t length;                /* of WORD, which may go on behind that */
  const char *best;             /* the nearest so far, or NULL */
  unsigned distance;            /* of BEST */
};

/* Try CANDIDATE, which must live as long as S. */
void suggest_try (struct suggestion *s, const char *candidate);

#endif /* NBDZRAM_COMMAND_BASE_SUGGEST_H */
