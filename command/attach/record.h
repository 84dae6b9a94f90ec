/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.attach: what a watcher is attached to, for its successor and for
 * nbdzram status.
 *
 * A watcher keeps the file open, locked (flock) and in memory, and writes in
 * place: a new file would need a page when memory is short.  If the directory
 * can't be used, a connected device is watched without the file.  Then a lock
 * in the kernel alone (attach_exclude) ensures that there is one watcher.
 *
 * Functions return 0, or -1 with errno.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_RECORD_H
#define NBDZRAM_COMMAND_ATTACH_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "device-queue.h"
#include "md.h"

#define ATTACH_SIZE 4096
#define ATTACH_SUFFIX ".attach"

/* The manager of the areas of NAME is listed as the watcher "NAME.areas". */
#define AREAS_SUFFIX ".areas"

struct attachment {
  char name[72];                /* NAME, or NAME.K */
  char identifier[80];          /* "nbdzram:NAME" */
  char uri[1024];
  char description[128];        /* of the export; "": none */
  int index;                    /* of /dev/nbdN */
  uint64_t size;                /* bytes */
  uint64_t block_size;          /* bytes */
  uint64_t connections, timeout, dead_timeout;
  uint64_t reconnects;
  char array[MD_NAME_SIZE];     /* of which it is, or was, a member; "":
                                 * unknown, or none */
  pid_t server;                 /* the process that serves; 0: unknown */
  uint64_t server_start;        /* when it started, ticks since boot */
  struct device_queue queue;    /* settings that release restores */
};

/* The Kth watcher of NAME: "NAME", "NAME.1", ... */
const char *attach_name (char *buf, size_t size, const char *name, size_t k);

/* Is WATCHER one of these names? */
bool attach_name_belongs (const char *watcher, const char *name);

/* Reads NAME.attach.  ENOENT: nothing is attached. */
int attach_read (struct attachment *a, const char *name);

/* Finds the attachment of /dev/nbdINDEX that is not called NAME, which may
 * be NULL.
 */
bool attach_find_device (struct attachment *a, int index, const char *name);

/* Finds the attached device of WATCHER, also if the watcher was killed
 * before it wrote the file.
 */
bool attach_find_watched (struct attachment *a, const char *watcher);

/* Opens or creates the file, and locks it.  EBUSY: its watcher lives.  The
 * descriptor is the caller's, and the file is locked until it is closed.
 */
int attach_open (const char *name);

/* Is FD, of attach_open, still the file of that name? */
bool attach_is_current (int fd, const char *name);

/* Does the watcher of that name live? */
bool attach_is_watched (const char *name);

/* Takes a lock that needs no file: no other process can watch NAME as long
 * as this one lives.  EADDRINUSE: another process has it.
 */
int attach_exclude (const char *name);

int attach_write (int fd, const struct attachment *a);

/* A's device is not attached any more: restores its queue, unless the device
 * has another owner by now, and removes the file.
 */
void attach_release (const struct attachment *a);

/* The same for the device in NAME.attach. */
void attach_remove (const char *name);

#endif /* NBDZRAM_COMMAND_ATTACH_RECORD_H */
