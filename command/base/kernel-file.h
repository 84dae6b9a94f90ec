/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says and takes through files of /proc and /sys.
 *
 * Paths are absolute.  Where the environment has NBDZRAM_ROOT, they are
 * looked for below that directory: tests bring their own kernel.
 *
 * Functions print nothing; they return -1 with errno set where the file
 * can't be opened, read or written: ENOENT, EACCES, EINVAL (the kernel
 * does not take the value), ...
 */

#ifndef NBDZRAM_COMMAND_BASE_KERNEL_FILE_H
#define NBDZRAM_COMMAND_BASE_KERNEL_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Enough for any file that holds one value. */
#define KERNEL_VALUE_SIZE 4096

/* Where PATH really is, in REAL.  0, or -1 with errno ENAMETOOLONG. */
int kernel_file_path (char *real, size_t size, const char *path);

/* Read the file, as much of it as SIZE - 1 bytes hold, into BUF, as a
 * string without the newline at its end.  Returns its length.
 */
ssize_t kernel_file_read (const char *path, char *buf, size_t size);

/* A file that holds one whole number, not below 0.  EINVAL: it holds
 * something else.
 */
int kernel_file_number (const char *path, uint64_t *n);

/* The number after "KEY:" at the beginning of a line, as in
 * /proc/meminfo; base 16 for masks such as CapEff.  Units stay as they
 * are.  ENODATA: there is no such line.
 */
int kernel_file_field (const char *path, const char *key, int base,
                       uint64_t *n);

/* Write VALUE in one piece; the file must be there. */
int kernel_file_write (const char *path, const char *value);

/* For files of many lines: to be closed by fclose.  NULL with errno. */
FILE *kernel_file_open (const char *path);

#endif /* NBDZRAM_COMMAND_BASE_KERNEL_FILE_H */
