/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The exports that a server's parameters ask for: export= and exports=. */

#ifndef NBDZRAM_SERVICE_EXPORTS_OPTIONS_H
#define NBDZRAM_SERVICE_EXPORTS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exports_options {
  struct wanted_export {
    char *name, *settings;      /* allocated */
    uint64_t size;              /* bytes; 0: not given */
  } *wanted;
  size_t count;
  bool automatic;               /* exports=auto */
  uint64_t max;                 /* most exports; 0: not given */
  uint64_t size, quota;         /* of each automatic export, in bytes; 0: not
                                 * given */
};

/* Functions return 0, or -1 with a sentence in ERROR. */

/* Add an export: NAME:SETTINGS. */
int exports_option_add (struct exports_options *o, const char *value,
                        char *error, size_t size);

/* Read VALUE as exports=: "auto", or the path of a file with an export in
 * each line.
 */
int exports_option_file (struct exports_options *o, const char *value,
                         char *error, size_t size);

/* Check what depends on several parameters, and set the default maximum. */
int exports_options_check (struct exports_options *o, char *error,
                           size_t size);

void exports_options_free (struct exports_options *o);

/* The settings of automatic exports, without their size. */
#define EXPORTS_AUTOMATIC_SIZE 64
void exports_automatic_settings (const struct exports_options *o,
                                 char text[EXPORTS_AUTOMATIC_SIZE]);

/* Do the parameters ask for exports besides the one without a name? */
static inline bool
exports_are_wanted (const struct exports_options *o)
{
  return o->count > 0 || o->automatic;
}

#endif /* NBDZRAM_SERVICE_EXPORTS_OPTIONS_H */
