/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What conf.c and file.c share: the keys. */

#ifndef NBDZRAM_COMMAND_CONF_INTERNAL_H
#define NBDZRAM_COMMAND_CONF_INTERNAL_H

#include <stdint.h>

#include "service/settings.h"

#include "conf.h"

extern const struct setting conf_fields[]; /* ended by a NULL name; their
                                            * offsets are in struct conf */

/* The key called KEY: a row of conf_fields, or of settings; or NULL. */
const struct setting *conf_entry (const char *key);
uint64_t conf_entry_bit (const struct setting *e);
int64_t conf_get_field (const struct conf *c, const struct setting *e);

#endif /* NBDZRAM_COMMAND_CONF_INTERNAL_H */
