/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a text can be in JSON. */

#ifndef NBDZRAM_COMMAND_BASE_UTF8_H
#define NBDZRAM_COMMAND_BASE_UTF8_H

#include <stdbool.h>

#include <jansson.h>

static inline bool
is_utf8 (const char *text)
{
  json_t *string = json_string (text);

  json_decref (string);
  return string != NULL;
}

#endif /* NBDZRAM_COMMAND_BASE_UTF8_H */
