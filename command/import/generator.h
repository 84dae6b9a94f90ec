/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the files of zram-generator, as zram-generator.conf(5) describes them,
 * and prints what they ask for as settings of ours.
 *
 * A file has a section for each device, [zram0], [zram1] and so on.  Files
 * override the values of files that were read before them.
 */

#ifndef NBDZRAM_COMMAND_IMPORT_GENERATOR_H
#define NBDZRAM_COMMAND_IMPORT_GENERATOR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum generator_key {
  HOST_MEMORY_LIMIT,
  ZRAM_SIZE,
  ZRAM_RESIDENT_LIMIT,
  COMPRESSION_ALGORITHM,
  WRITEBACK_DEVICE,
  SWAP_PRIORITY,
  MOUNT_POINT,
  FS_TYPE,
  OPTIONS,
  ZRAM_FRACTION,
  MAX_ZRAM_SIZE,
  GENERATOR_KEYS
};

#define GENERATOR_NAME_SIZE 32

struct generator_device {
  char name[GENERATOR_NAME_SIZE];
  char *values[GENERATOR_KEYS]; /* NULL: not given */
};

struct generator {
  uint64_t ram;                 /* of this machine, in megabytes */
  struct generator_device *devices;
  size_t device_count;
  char **remarks;               /* about lines that belong to no device */
  size_t remark_count;
};

/* Safe on a zeroed struct. */
void generator_free (struct generator *g);

/* Reads the file at PATH.  Returns 0, or -1 with a line in ERROR; errno is
 * ENOENT if the file is missing.
 */
int generator_read_file (struct generator *g, const char *path, char *error,
                         size_t size);

/* Reads all *.conf in DIRECTORIES, in the order of their names without the
 * directory.  If two have the same name, only that in the later directory
 * counts.
 */
int generator_read_directories (struct generator *g, size_t count,
                                const char *const directories[count],
                                char *error, size_t size);

/* Reads what zram-generator itself would read on this machine. */
int generator_read_installed (struct generator *g, char *error, size_t size);

/* Prints the file of settings for D, with a comment for each thing that means
 * something else here, or has no translation.
 */
void generator_print (const struct generator *g,
                      const struct generator_device *d, FILE *out);

/* Prints TEXT as lines of comment. */
void generator_print_comment (FILE *out, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

#endif /* NBDZRAM_COMMAND_IMPORT_GENERATOR_H */
