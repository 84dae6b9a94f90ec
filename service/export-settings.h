/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of an export:
 * NAME:size=8G:quota=1G:bandwidth=100M:algorithm=zstd:level=3:allow=...
 *
 * A colon ends a value only where KEY= of a known key follows, so that names,
 * algorithms and IPv6 addresses may have colons.
 */

#ifndef NBDZRAM_SERVICE_EXPORT_SETTINGS_H
#define NBDZRAM_SERVICE_EXPORT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/codec.h"
#include "allow.h"

/* All zero: nothing was said. */
struct export_settings {
  uint64_t size;                /* bytes */
  uint64_t quota;               /* bytes of memory */
  uint64_t bandwidth;           /* bytes a second */
  struct algorithm algorithm;   /* without a dictionary */
  struct allow allow;
  char *allow_text;             /* allocated; as it was said */
};

/* Where the name of TEXT ends. */
const char *export_name_end (const char *text);

/* Parse what follows a name, from its colon on, or without it.  0, or -1
 * with a line in ERROR; then S needs no freeing.
 */
int export_settings_parse (struct export_settings *s, const char *text,
                           char *error, size_t size);

void export_settings_free (struct export_settings *s);

/* NAME with a '?' for each byte that a log should not have: who asks for an
 * export may send anything.
 */
#define EXPORT_SHOWN_SIZE 65
const char *export_name_shown (const char *name, char text[EXPORT_SHOWN_SIZE]);

/* NAME can be one: UTF-8 without control characters, up to DEVICE_NAME_MAX
 * bytes.  Otherwise false with a line in ERROR.
 */
bool export_name_valid (const char *name, char *error, size_t size);

#endif /* NBDZRAM_SERVICE_EXPORT_SETTINGS_H */
