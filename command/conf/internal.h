/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What conf.c and file.c share: the table of keys. */

#ifndef NBDZRAM_COMMAND_CONF_INTERNAL_H
#define NBDZRAM_COMMAND_CONF_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "service/parse-size.h"

#include "conf.h"

#define CONF_WORDS 2

enum conf_kind {
  CONF_TEXT,
  CONF_PATH,                    /* from the root: the server has no other
                                 * directory to begin at */
  CONF_PLACE,                   /* the same, or a URI */
  CONF_BOOL,
  CONF_NUMBER,
  CONF_PERCENT,                 /* also with the sign */
  CONF_SIZE,                    /* as parse_size reads it */
};

struct conf_entry {
  const char *name;
  enum conf_kind kind;
  bool repeats;                 /* adds up in a layer */
  uint64_t min, max;            /* of numbers and sizes; max 0: the plugin
                                 * knows */
  bool or_zero;                 /* 0 is right, too, below min */
  uint64_t unit;                /* of sizes: rounded down to it, or 0 */
  size_t offset, bytes;         /* of the field in struct conf; no bytes:
                                 * it goes to the plugin */
  struct {
    const char *name;           /* stands for the number that no other
                                 * value can be; of a path, for itself */
    int64_t value;
  } words[CONF_WORDS];
};

extern const struct conf_entry conf_entries[]; /* ended by a NULL name */

const struct conf_entry *conf_entry (const char *key);
uint64_t conf_entry_bit (const struct conf_entry *e);
int64_t conf_get_field (const struct conf *c, const struct conf_entry *e);

static inline uint64_t
conf_entry_max (const struct conf_entry *e)
{
  return e->max ? e->max : PARSE_SIZE_EXPRESSION_MAX;
}

#endif /* NBDZRAM_COMMAND_CONF_INTERNAL_H */
