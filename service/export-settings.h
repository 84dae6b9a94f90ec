/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of an export, as text:
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

/* All zero: not given. */
struct export_settings {
  uint64_t size;                /* bytes */
  uint64_t quota;               /* bytes of memory */
  uint64_t bandwidth;           /* bytes a second */
  struct algorithm algorithm;   /* without a dictionary */
  struct allow allow;
  char *allow_text;             /* allocated; as it was given */
};

/* Where the name at the start of TEXT ends. */
const char *export_name_end (const char *text);

/* Parse the settings TEXT, with or without the colon before them.  Returns 0,
 * or -1 with a line in ERROR; then S needs no export_settings_free.
 */
int export_settings_parse (struct export_settings *s, const char *text,
                           char *error, size_t size);

void export_settings_free (struct export_settings *s);

/* NAME with a '?' for each byte that is not printable ASCII, for the log: a
 * client may ask for an export with any bytes.
 */
#define EXPORT_SHOWN_SIZE 65
const char *export_name_shown (const char *name, char text[EXPORT_SHOWN_SIZE]);

/* Can an export be called NAME?  It must be UTF-8 without control characters,
 * up to DEVICE_NAME_MAX bytes.  If not, a line in ERROR says why.
 */
bool export_name_valid (const char *name, char *error, size_t size);

#endif /* NBDZRAM_SERVICE_EXPORT_SETTINGS_H */
