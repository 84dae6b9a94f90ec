/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files NAME.SUFFIX in the directory of control sockets, in which the
 * parts of the command leave word for each other, one JSON object each.
 *
 * Functions return 0, or -1 with errno; EINVAL: the file does not hold
 * what it should.
 */

#ifndef NBDZRAM_COMMAND_BASE_RUN_FILE_H
#define NBDZRAM_COMMAND_BASE_RUN_FILE_H

#include <stddef.h>

#include <jansson.h>

#define RUN_PATH_SIZE 4096

/* DIRECTORY/NAME.SUFFIX. */
const char *run_path (char path[RUN_PATH_SIZE], const char *name,
                      const char *suffix);

/* The object in it, to be freed, or NULL with errno. */
json_t *run_read (const char *name, const char *suffix);

/* Replace it as a whole by OBJECT, which is taken over. */
int run_write (const char *name, const char *suffix, json_t *object);

void run_remove (const char *name, const char *suffix);

#endif /* NBDZRAM_COMMAND_BASE_RUN_FILE_H */
