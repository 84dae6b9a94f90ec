/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <string.h>

#include "service/set-error.h"

#include "algorithms.h"

#define BLANKS " \t"

int
algorithm_next_word (const char **text, struct algorithm_word *word,
                     char *error, size_t size)
{
  const char *start = *text + strspn (*text, BLANKS);
  size_t length = strcspn (start, BLANKS), name;

  if (length == 0)
    return 0;
  name = strcspn (start, "(" BLANKS);
  *text = start + length;
  *word = (struct algorithm_word) { .name = "" };
  if (length >= ALGORITHM_WORD_SIZE)
    return set_error (error, size, "has a word that is too long");
  memcpy (word->name, start, name);
  if (name == length)
    return 1;
  if (start[length - 1] != ')')
    return set_error (error, size, "has a parenthesis that is not closed in "
                      "the same word");
  memcpy (word->parameters, start + name + 1, length - name - 2);
  return 1;
}
