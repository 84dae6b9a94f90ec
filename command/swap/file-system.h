/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device with a file system. */

#ifndef NBDZRAM_COMMAND_SWAP_FILE_SYSTEM_H
#define NBDZRAM_COMMAND_SWAP_FILE_SYSTEM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Where DEVICE is mounted, in DIRECTORY; if that is in several places, the
 * last one.  False: nowhere.
 */
bool file_system_find (const char *device, char directory[PATH_MAX]);

enum file_system_place {
  FILE_SYSTEM_ELSEWHERE,        /* or not mounted at all */
  FILE_SYSTEM_COVERED,          /* there, and another one on top of it */
  FILE_SYSTEM_ON_TOP,
};

/* Is DEVICE mounted on DIRECTORY, a path without symbolic links?  Bind mounts
 * count, too.
 */
enum file_system_place file_system_place (const char *device,
                                          const char *directory);

/* Wait while mkfs or mount, started by a process that was killed, still use
 * DEVICE; at most half a minute.  The device must have a server.
 */
void file_system_wait_programs (const char *device);

/* Does DEVICE hold a file system of one of our types that mkfs has finished?
 * False also if it can't be read.
 */
bool file_system_is_complete (const char *device);

/* These return 0, or -1 with a line in ERROR. */

/* Make a file system of TYPE (enum conf_file_system) with LABEL, whatever the
 * device holds.
 */
int file_system_make (const char *device, int type, const char *label,
                      char *error, size_t size);

/* Mount DEVICE with discard and, unless they are NULL, further OPTIONS. */
int file_system_mount (const char *device, int type, const char *options,
                       const char *directory, char *error, size_t size);

/* Unmount DEVICE from DIRECTORY, as file_system_find gives it, unless
 * something in it is in use or another file system is on top of it.
 */
int file_system_unmount (const char *device, const char *directory,
                         char *error, size_t size);

#endif /* NBDZRAM_COMMAND_SWAP_FILE_SYSTEM_H */
