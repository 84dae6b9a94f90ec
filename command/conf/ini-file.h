/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads files of "KEY = VALUE" lines, with or without sections, by the library
 * inih.
 *
 * Each distribution builds that library with other options: an indented line
 * may continue the one before, comments may begin anywhere or only at the
 * start, long lines may be cut.  So it is passed only lines in which none of
 * this matters, and a file means the same everywhere: "#" or ";" begins a
 * comment at the start of a line or after a blank, and no line continues
 * another one.
 */

#ifndef NBDZRAM_COMMAND_CONF_INI_FILE_H
#define NBDZRAM_COMMAND_CONF_INI_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct ini_setting {
  const char *section;          /* "" before the first one */
  const char *key, *value;      /* NULL both: the section begins */
  unsigned line;                /* from 1 */
};

/* Returns 0, or -1 with a reason in ERROR, which then follows the name of the
 * file and the line.
 */
typedef int ini_on_setting (void *opaque, const struct ini_setting *s,
                            char *error, size_t size);

/* Reads the file at PATH and calls ON_SETTING for each line, also for those
 * that begin a section.  Without SECTIONS, a section is an error.  Returns 0,
 * or -1 with a line in ERROR that begins with PATH; errno is EINVAL if the
 * content is wrong, or says why the file can't be read.
 */
int ini_file_read (const char *path, bool sections,
                   ini_on_setting *on_setting, void *opaque, char *error,
                   size_t size);

#endif /* NBDZRAM_COMMAND_CONF_INI_FILE_H */
