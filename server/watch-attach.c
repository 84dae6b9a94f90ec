/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "md.h"
#include "nbd-device.h"
#include "process.h"
#include "run-file.h"
#include "swaps.h"
#include "util.h"
#include "watch.h"

/* Dial all connections of a new device, each within MS. */
static int
dial_all (struct watching *w, struct nbd_dialed *list, unsigned *count,
          int ms)
{
  for (*count = 0; *count < w->a.connections; ++*count) {
    struct nbd_dialed *d = &list[*count];

    if (nbd_dial (&w->dial, &w->address, ms) == -1) {
      watch_say (w, "%s: %s", w->a.uri, w->dial.error);
      return -1;
    }
    *d = w->dial.result;
    if (w->a.size == 0) {
      w->a.block_size = MAX (w->a.block_size, d->block_min);
      w->a.size = align_down (d->size, w->a.block_size);
    }
    if (!watch_is_same_disk (w, d)) {
      ++*count;
      return -1;
    }
  }
  if (w->a.size == 0)
    return watch_refuse (w, "the disk is smaller than a block");
  if (w->a.block_size > WATCH_BLOCK_SIZE)
    return watch_refuse (w, "the server takes only blocks that are larger "
                         "than a page");
  if (w->a.connections > 1 && !(list[0].flags & (1 << 8)))
    return watch_refuse (w, "the server allows no more than one connection");
  return 0;
}

static int
connect_all (struct watching *w, int index, const struct nbd_dialed *list,
             unsigned count)
{
  int fds[WATCHER_CONNECTIONS];
  const struct nbd_setup setup = {
    .index = index, .size = w->a.size, .block_size = w->a.block_size,
    .timeout = w->a.timeout, .dead_timeout = w->a.dead_timeout,
    .server_flags = list[0].flags, .identifier = w->a.identifier,
  };

  for (unsigned i = 0; i < count; ++i)
    fds[i] = list[i].fd;
  if (nbd_connect (&w->nl, &setup, fds, count, &w->a.index) == -1)
    return watch_refuse (w, w->nl.error);
  w->a.server = list[0].pid;
  w->a.server_start = process_start_time (list[0].pid);
  if (attach_write (w->file, &w->a) == 0)
    return 0;
  watch_say (w, "%s.attach: %s", w->a.name, strerror (errno));
  /* A half of a mirror that comes back is needed, whoever may know of it. */
  if (w->apart)
    return 0;
  nbd_disconnect (&w->nl, w->a.index);
  return -1;
}

int
watch_attach (struct watching *w, int index, int ms)
{
  struct nbd_dialed list[WATCHER_CONNECTIONS] = { { .fd = -1 } };
  unsigned count;

  if (dial_all (w, list, &count, ms) == 0
      && connect_all (w, index, list, count) == 0) {
    watcher_start (&w->watcher, &watch_ops, w, count, list, count, -1, 0);
    return 0;
  }
  for (unsigned i = 0; i < count; ++i) {
    close (list[i].fd);
    if (list[i].pidfd != -1)
      close (list[i].pidfd);
  }
  return -1;
}

/* Nobody has written down which server it was: then it may be any, and
 * is not to be trusted.
 */
static int
present_server (struct watching *w)
{
  if (!w->address.local
      || nbd_dial (&w->dial, &w->address, WATCH_DIAL_MS) == -1)
    return -1;
  close (w->dial.result.fd);
  w->a.server = w->dial.result.pid;
  w->a.server_start = process_start_time (w->a.server);
  return w->dial.result.pidfd;
}

/* A descriptor of the server that was the last, if that still lives. */
static int
former_server (const struct attachment *a)
{
  struct process p = NO_PROCESS;

  /* Of one that had ended before it was written down there is no start. */
  if (a->server > 0 && a->server_start > 0)
    process_open (&p, a->server, a->server_start);
  return p.fd;
}

/* Go on with the device of a watcher that was killed. */
static bool
resume (struct watching *w, const struct attachment *old, bool known)
{
  int pidfd;

  if (known && nbd_device_belongs (old->index, w->a.identifier))
    w->a.index = old->index;
  else
    w->a.index = nbd_device_find (w->a.identifier);
  if (w->a.index == -1)
    return false;
  w->a.size = nbd_device_size (w->a.index);
  if (known) {
    /* A watcher of a former version wrote none down. */
    w->a.block_size = old->block_size ? old->block_size : WATCH_BLOCK_SIZE;
    w->a.connections = old->connections;
    w->a.timeout = old->timeout;
    w->a.dead_timeout = old->dead_timeout;
    w->a.reconnects = old->reconnects;
    strcpy (w->a.description, old->description);
    w->knows_disk = true;
    w->a.server = old->server;
    w->a.server_start = old->server_start;
    strcpy (w->a.array, old->array);
  }
  pidfd = known ? former_server (&w->a) : present_server (w);
  watcher_start (&w->watcher, &watch_ops, w, (unsigned) w->a.connections,
                 NULL, 0, pidfd, w->a.server);
  watch_save (w);
  watch_say (w, "goes on with /dev/nbd%d", w->a.index);
  return true;
}

/* ... or with a half of a mirror that was given up. */
static bool
resume_apart (struct watching *w, const struct attachment *old)
{
  if (!w->mirror || old->array[0] == '\0')
    return false;
  w->a.index = old->index;
  w->a.reconnects = old->reconnects;
  strcpy (w->a.array, old->array);
  w->apart = true;
  watch_save (w);
  return true;
}

bool
watch_is_swap (const struct attachment *a, const char *identifier)
{
  char device[NBD_DEVICE_PATH_SIZE], path[MD_DEVICE_PATH_SIZE];
  char array[MD_NAME_SIZE];

  if (nbd_device_foreign (a->index, identifier))
    return false;
  return swap_find (nbd_device_path (device, a->index), NULL)
    || (md_find (array, a->index)
        && swap_find (md_device_path (path, array), NULL));
}

int
watch_begin (struct watching *w, int index)
{
  struct attachment old;
  bool known = attach_read (&old, w->a.name) == 0;
  bool alone = attach_exclude (w->a.name) == 0;
  char path[RUN_PATH_SIZE];
  int err;

  w->file = attach_open (w->a.name);
  err = errno;
  if (w->file == -1 && (err == EBUSY || !alone))
    return watch_refuse (w, "another watcher is at work");
  if (resume (w, &old, known) || (known && resume_apart (w, &old)))
    return 0;
  /* Nobody needs a new device yet. */
  if (w->file == -1) {
    watch_say (w, "%s: %s", run_path (path, w->a.name, "attach"),
               strerror (err));
    return -1;
  }
  if (known && watch_is_swap (&old, w->a.identifier))
    return watch_refuse (w, "its device is in use as swap, but not found "
                         "connected");
  if (watch_attach (w, index, WATCH_DIAL_MS) == 0)
    return 0;
  if (w->mirror && w->half_of) {
    watch_half_begin_apart (w);
    return 0;
  }
  unlink (run_path (path, w->a.name, "attach"));
  return -1;
}
