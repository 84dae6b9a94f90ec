/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files NAME.SUFFIX in the directory of control sockets, by which the parts
 * of the command share state, one JSON object each.
 *
 * Functions return 0, or -1 with errno; EINVAL: the file does not hold a JSON
 * object.
 */

#ifndef NBDZRAM_COMMAND_BASE_RUN_FILE_H
#define NBDZRAM_COMMAND_BASE_RUN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#define RUN_PATH_SIZE 4096

/* DIRECTORY/NAME.SUFFIX. */
const char *run_path (char path[RUN_PATH_SIZE], const char *name,
                      const char *suffix);

/* Reads the object, to be freed, or returns NULL with errno. */
json_t *run_read (const char *name, const char *suffix);

/* Replaces the file by OBJECT, which is taken over, in one step. */
int run_write (const char *name, const char *suffix, json_t *object);

/* Replaces the file at PATH, which has a slash, whole or not at all, by what
 * PRINT writes; that returns 0, or -1 with errno.  Creates the directory if it
 * is missing.
 */
int file_replace (const char *path,
                  int (*print) (const void *object, FILE *f),
                  const void *object);

/* Extracts the NAME, which is not empty, from FILE: NAME and SUFFIX.  False:
 * FILE is something else, or NAME does not fit.
 */
bool name_of_file (char *name, size_t size, const char *file,
                   const char *suffix);

void run_remove (const char *name, const char *suffix);

#endif /* NBDZRAM_COMMAND_BASE_RUN_FILE_H */
