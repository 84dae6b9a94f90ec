/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "lib/base/util.h"

#include "suggest.h"

/* No valid word is longer; a longer one is no misspelling. */
#define WORD_MAX 40

/* How many single letters of A have to be replaced, added, removed, or swapped
 * with their neighbours to make B.  In row I and column J is the distance of
 * the first I letters of A to the first J of B.
 */
static unsigned
edit_distance (const char *a, size_t a_length, const char *b, size_t b_length)
{
  unsigned d[WORD_MAX + 1][WORD_MAX + 1];

  for (unsigned i = 0; i <= a_length; ++i)
    d[i][0] = i;
  for (unsigned j = 0; j <= b_length; ++j)
    d[0][j] = j;
  for (size_t i = 1; i <= a_length; ++i)
    for (size_t j = 1; j <= b_length; ++j) {
      unsigned n = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

      n = MIN (n, d[i - 1][j] + 1);
      n = MIN (n, d[i][j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        n = MIN (n, d[i - 2][j - 2] + 1);
      d[i][j] = n;
    }
  return d[a_length][b_length];
}

void
suggest_try (struct suggestion *s, const char *candidate)
{
  const size_t length = strlen (candidate);
  unsigned distance;

  if (s->length > WORD_MAX || length > WORD_MAX)
    return;
  distance = edit_distance (s->word, s->length, candidate, length);
  /* A third of a short word is not the same word any more. */
  if (distance > 2 || 3 * distance > MAX (s->length, length))
    return;
  if (!s->best || distance < s->distance) {
    s->best = candidate;
    s->distance = distance;
  }
}
