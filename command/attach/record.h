/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.attach: what a watcher is attached to, for its successor and for
 * those who ask.
 *
 * A watcher holds it open, locked (flock) and in memory, and writes in
 * place: a new file would take a page just when there are none.  Where the
 * directory can't be used, a device that is connected is watched without it:
 * then a lock in the kernel alone (attach_exclude) says that there is one
 * watcher.
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

struct attachment {
  char name[72];                /* NAME, or NAME.K */
  char identifier[80];          /* "nbdzram:NAME" */
  char uri[1024];
  char description[128];        /* of the export; empty: none */
  int index;                    /* of /dev/nbdN */
  uint64_t size;                /* bytes */
  uint64_t block_size;          /* bytes */
  uint64_t connections, timeout, dead_timeout;
  uint64_t reconnects;
  char array[MD_NAME_SIZE];     /* of which it is, or was, a half; empty:
                                 * of none that is known */
  pid_t server;                 /* the process that serves; 0: not known */
  uint64_t server_start;        /* when it started, ticks since boot */
  struct device_queue queue;    /* what is to be put back */
};

/* "NAME", "NAME.1", ...: the Kth watcher of NAME. */
const char *attach_name (char *buf, size_t size, const char *name, size_t k);

/* What NAME.attach says.  ENOENT: nothing is attached. */
int attach_read (struct attachment *a, const char *name);

/* The attachment of /dev/nbdINDEX that is not called NAME, which may be
 * NULL.  False: there is none.
 */
bool attach_find_device (struct attachment *a, int index, const char *name);

/* Is the device of WATCHER attached?  Then it is in A, also when the watcher
 * was killed before it wrote the file.
 */
bool attach_find_watched (struct attachment *a, const char *watcher);

/* Open or make the file, and lock it.  EBUSY: its watcher lives.  The
 * descriptor stays open, and the file locked, as long as the process
 * lives.
 */
int attach_open (const char *name);

/* Is FD, of attach_open, still the file by that name? */
bool attach_is_current (int fd, const char *name);

/* Be the only one that watches NAME, as long as the process lives, without
 * any file.  EADDRINUSE: another process is.
 */
int attach_exclude (const char *name);

int attach_write (int fd, const struct attachment *a);

/* A's device is not attached, or not any more: put back its queue, unless
 * somebody else has the device by now, and remove the file.
 */
void attach_release (const struct attachment *a);

/* The same, of what NAME.attach says. */
void attach_remove (const char *name);

#endif /* NBDZRAM_COMMAND_ATTACH_RECORD_H */
