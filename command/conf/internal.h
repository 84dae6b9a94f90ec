/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What conf.c, check.c and file.c share: the keys, and errors. */

#ifndef NBDZRAM_COMMAND_CONF_INTERNAL_H
#define NBDZRAM_COMMAND_CONF_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "service/settings.h"

#include "conf.h"

/* The kernel's client counts in blocks of this size. */
#define DISK_SIZE_UNIT 4096

extern const struct setting conf_fields[]; /* ended by a NULL name; their
                                            * offsets are in struct conf */

/* The key called KEY: a row of conf_fields, or of settings; or NULL. */
const struct setting *conf_entry (const char *key);
uint64_t conf_entry_bit (const struct setting *e);

/* Put the message in ERROR, set errno to EINVAL, and return -1. */
int conf_error (char *error, size_t size, const char *format, ...)
  __attribute__ ((format (printf, 3, 4)));

#endif /* NBDZRAM_COMMAND_CONF_INTERNAL_H */
