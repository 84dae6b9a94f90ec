/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes files of /proc and /sys.
 *
 * Paths are absolute.  If the environment has NBDZRAM_ROOT, they are below
 * that directory, so that tests can have a kernel of their own.
 *
 * Functions print nothing.  They return -1 with errno set if the file can't
 * be opened, read or written: ENOENT, EACCES, EINVAL (the kernel does not
 * accept the value), ...
 */

#ifndef NBDZRAM_COMMAND_BASE_KERNEL_FILE_H
#define NBDZRAM_COMMAND_BASE_KERNEL_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Enough for any file that holds one value. */
#define KERNEL_VALUE_SIZE 4096

/* Puts the path with NBDZRAM_ROOT in REAL.  -1: ENAMETOOLONG. */
int kernel_file_path (char *real, size_t size, const char *path);

/* Reads the file, at most SIZE - 1 bytes of it, into BUF as a string without
 * the newline at its end.  Returns the length.
 */
ssize_t kernel_file_read (const char *path, char *buf, size_t size);

/* Reads a file that holds one unsigned number.  EINVAL: it holds something
 * else.
 */
int kernel_file_number (const char *path, uint64_t *n);

/* Reads the number after "KEY:" at the beginning of a line, as in
 * /proc/meminfo.  BASE is 16 for masks such as CapEff.  The unit is that of
 * the file.  ENODATA: there is no such line.
 */
int kernel_file_field (const char *path, const char *key, int base,
                       uint64_t *n);

/* Writes VALUE by one write.  The file must exist. */
int kernel_file_write (const char *path, const char *value);

/* Opens a file of many lines, to be closed by fclose.  NULL with errno. */
FILE *kernel_file_open (const char *path);

/* Opens a directory, to be closed by closedir.  NULL with errno. */
DIR *kernel_file_opendir (const char *path);

bool kernel_file_exists (const char *path);

/* The memory of the machine in bytes: what is available, and all.  0, or -1
 * with errno.
 */
int kernel_file_memory (uint64_t *available, uint64_t *ram);

#endif /* NBDZRAM_COMMAND_BASE_KERNEL_FILE_H */
