/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The value of compression-algorithm: a list of words NAME, NAME(PARAMETERS)
 * or (PARAMETERS).
 */

#ifndef NBDZRAM_COMMAND_IMPORT_ALGORITHMS_H
#define NBDZRAM_COMMAND_IMPORT_ALGORITHMS_H

#include <stddef.h>

#define ALGORITHM_WORD_SIZE 256

/* A word of the list. */
struct algorithm_word {
  char name[ALGORITHM_WORD_SIZE];       /* "": parameters for all */
  char parameters[ALGORITHM_WORD_SIZE]; /* with commas between; may be "" */
};

/* Reads the word at *TEXT, and moves *TEXT behind it.  Returns 1; 0 at the
 * end; or -1 with a phrase in ERROR that follows the quoted text.
 */
int algorithm_next_word (const char **text, struct algorithm_word *word,
                         char *error, size_t size);

#endif /* NBDZRAM_COMMAND_IMPORT_ALGORITHMS_H */
