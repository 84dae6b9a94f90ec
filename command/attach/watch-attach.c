/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "command/base/proc-swaps.h"
#include "command/base/process.h"
#include "command/base/run-file.h"
#include "lib/base/util.h"

#include "md.h"
#include "nbd-device.h"
#include "watch-process.h"

/* Dials all connections of a new device.  *COUNT descriptors are the
 * caller's, also on failure.
 */
static int
dial_all (struct watching *w, struct nbd_dialed *list, unsigned *count,
          int ms)
{
  for (*count = 0; *count < w->a.connections; ++*count) {
    struct nbd_dialed *d = &list[*count];

    if (nbd_dial (&w->dial, &w->address, ms) == -1) {
      watch_log (w, "%s: %s", w->a.uri, w->dial.error);
      return -1;
    }
    *d = w->dial.result;
    if (w->a.size == 0) {
      w->a.block_size = MAX (w->a.block_size, d->block_min);
      w->a.size = align_down (d->size, w->a.block_size);
    }
    if (!watch_verify_disk (w, d)) {
      ++*count;
      return -1;
    }
  }
  if (w->a.size == 0)
    return watch_log_error (w, "the export is smaller than a block");
  if (w->a.block_size > WATCH_BLOCK_SIZE)
    return watch_log_error (w, "the server accepts only blocks that are "
                            "larger than a page");
  if (w->a.connections > 1 && !(list[0].flags & (1 << 8)))
    return watch_log_error (w, "the server allows no more than one "
                            "connection");
  return 0;
}

/* ---- the queue ---- */

/* The kernel has not set io_timeout, so a value that equals ours is not
 * ours.
 */
#define NO_TIMEOUT UINT64_C (0)

static void
set_queue (struct watching *w)
{
  char refused[128];

  if (!queue_set (w->a.index, refused, sizeof refused))
    watch_log (w, "the queue of the device keeps a setting: %s", refused);
}

/* A member that returns to its mirror is connected even without a record. */
static int
save_new_record (struct watching *w)
{
  watch_save_record (w);
  return w->saved || w->detached ? 0 : -1;
}

/* Records how the queue of /dev/nbdINDEX is set before the device is
 * connected.  A former watcher, which may have been this one, may not have
 * restored it: then its record has the original values.
 */
static int
prepare_queue (struct watching *w, int index)
{
  struct device_queue q = { { "" } };
  struct attachment other;

  queue_remember (&q, index, w->a.timeout);
  if (attach_find_device (&other, index, w->a.name))
    queue_inherit (&q, index, w->a.timeout, &other.queue, other.timeout);
  if (index == w->a.index)
    queue_inherit (&q, index, w->a.timeout, &w->a.queue, w->a.timeout);
  w->a.index = index;
  w->a.queue = q;
  if (save_new_record (w) == -1)
    return -1;
  /* Settings that could not be recorded are not changed. */
  if (w->saved)
    set_queue (w);
  return 0;
}

/* The kernel has made a new device, since all others are in use. */
static int
prepare_new_queue (struct watching *w)
{
  queue_remember (&w->a.queue, w->a.index, w->a.timeout);
  queue_is_new (&w->a.queue);
  if (save_new_record (w) == -1) {
    nbd_disconnect (&w->nl, w->a.index);
    return -1;
  }
  set_queue (w);
  return 0;
}

/* ---- a new device ---- */

/* Connects /dev/nbdINDEX, or for -1 one that the kernel makes.  Returns -1
 * with errno EBUSY when another process has it.
 */
static int
connect_index (struct watching *w, int index, const struct nbd_dialed *list,
               unsigned count)
{
  const struct attachment before = w->a;
  int fds[WATCHER_CONNECTIONS] = { -1 }, err;
  const struct nbd_setup setup = {
    .index = index, .size = w->a.size, .block_size = w->a.block_size,
    .timeout = w->a.timeout, .dead_timeout = w->a.dead_timeout,
    .server_flags = list[0].flags, .identifier = w->a.identifier,
  };
  bool prepared = index != -1 && !nbd_device_connected (index);

  for (unsigned i = 0; i < count; ++i)
    fds[i] = list[i].fd;
  if (prepared && prepare_queue (w, index) == -1) {
    w->a = before;
    return fail_with (EIO);
  }
  if (nbd_connect (&w->nl, &setup, fds, count, &w->a.index) == 0)
    return prepared ? 0 : prepare_new_queue (w);
  err = errno;
  if (prepared) {
    queue_restore (&w->a.queue, index, NO_TIMEOUT);
    w->a = before;
    if (w->a.index != -1)
      watch_save_record (w);
  }
  watch_log (w, "%s", w->nl.error);
  return fail_with (err);
}

static int
connect_free (struct watching *w, const struct nbd_dialed *list,
              unsigned count)
{
  for (int index = -1; ; ) {
    index = nbd_device_free (index + 1);
    if (connect_index (w, index, list, count) == 0)
      return 0;
    if (errno != EBUSY || index == -1)
      return -1;
  }
}

static int
connect_device (struct watching *w, int index, const struct nbd_dialed *list,
                unsigned count)
{
  if ((index == -1 ? connect_free (w, list, count)
       : connect_index (w, index, list, count)) == -1)
    return -1;
  w->a.server = list[0].pid;
  w->a.server_start = process_start_time (list[0].pid);
  if (save_new_record (w) == 0)
    return 0;
  nbd_disconnect (&w->nl, w->a.index);
  queue_restore (&w->a.queue, w->a.index, w->a.timeout);
  return -1;
}

int
watch_connect_device (struct watching *w, int index, int ms)
{
  struct nbd_dialed list[WATCHER_CONNECTIONS] = { { .fd = -1 } };
  unsigned count;

  if (dial_all (w, list, &count, ms) == 0
      && connect_device (w, index, list, count) == 0) {
    watcher_start (&w->watcher, &watch_ops, w, count, list, count, -1, 0);
    return 0;
  }
  for (unsigned i = 0; i < count; ++i)
    nbd_dialed_close (&list[i]);
  return -1;
}

/* The former server was not recorded.  It may be the present one, which is
 * then fenced if it has lost a connection.
 */
static int
dial_present_server (struct watching *w)
{
  if (!w->address.local
      || nbd_dial (&w->dial, &w->address, WATCH_DIAL_MS) == -1)
    return -1;
  close (w->dial.result.fd);
  w->a.server = w->dial.result.pid;
  w->a.server_start = process_start_time (w->a.server);
  return w->dial.result.pidfd;
}

/* A pidfd of the recorded server, or -1 if it has ended. */
static int
open_former_server (const struct attachment *a)
{
  struct process p = NO_PROCESS;

  /* No start was recorded for a server that had ended before. */
  if (a->server > 0 && a->server_start > 0)
    process_open (&p, a->server, a->server_start);
  return p.fd;
}

/* Continues with the device of a watcher that was killed. */
static bool
resume_connected (struct watching *w, const struct attachment *old, bool known)
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
    /* Former versions did not record it. */
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
  if (known && w->a.index == old->index)
    w->a.queue = old->queue;
  else
    queue_is_new (&w->a.queue);
  pidfd = known ? open_former_server (&w->a)
    : dial_present_server (w);
  watcher_start (&w->watcher, &watch_ops, w, (unsigned) w->a.connections,
                 NULL, 0, pidfd, w->a.server);
  watch_save_record (w);
  watch_log (w, "continues with /dev/nbd%d", w->a.index);
  return true;
}

/* Continues without a device, which was given up as a member of a mirror. */
static bool
resume_detached (struct watching *w, const struct attachment *old)
{
  if (!w->mirror || old->array[0] == '\0')
    return false;
  w->a.index = old->index;
  w->a.reconnects = old->reconnects;
  strcpy (w->a.array, old->array);
  w->a.queue = old->queue;
  w->detached = true;
  watch_save_record (w);
  return true;
}

bool
watch_is_swap (const struct attachment *a, const char *identifier)
{
  char device[NBD_DEVICE_PATH_SIZE], path[MD_DEVICE_PATH_SIZE];
  char array[MD_NAME_SIZE];

  if (nbd_device_foreign (a->index, identifier))
    return false;
  return swap_find_on_disk (nbd_device_path (device, a->index), NULL)
    || (md_find_array (array, a->index)
        && swap_find (md_device_path (path, array), NULL));
}

int
watch_open_device (struct watching *w, int index)
{
  struct attachment old;
  bool known = attach_read (&old, w->a.name) == 0;
  bool alone = attach_exclude (w->a.name) == 0;
  char path[RUN_PATH_SIZE];
  int err;

  w->file = attach_open (w->a.name);
  err = errno;
  if (w->file == -1 && (err == EBUSY || !alone))
    return watch_log_error (w, "another watcher of this name is running");
  if (resume_connected (w, &old, known)
      || (known && resume_detached (w, &old)))
    return 0;
  /* No new device is connected without a record. */
  if (w->file == -1) {
    watch_log (w, "%s: %s", run_path (path, w->a.name, "attach"),
               strerror (err));
    return -1;
  }
  if (known && watch_is_swap (&old, w->a.identifier))
    return watch_log_error (w, "its device is in use as swap, but does not "
                            "seem to be connected");
  if (known && !nbd_device_foreign (old.index, w->a.identifier))
    queue_restore (&old.queue, old.index, old.timeout);
  if (watch_connect_device (w, index, WATCH_DIAL_MS) == 0)
    return 0;
  if (w->mirror && w->member_of) {
    watch_start_detached (w);
    return 0;
  }
  attach_remove (w->a.name);
  return -1;
}
