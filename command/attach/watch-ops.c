/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "command/base/clock.h"
#include "command/base/process.h"
#include "lib/base/util.h"

#include "nbd-device.h"
#include "nbd-receivers.h"
#include "watch-process.h"

#define RECORD_CHECK_MS 2000    /* how often NAME.attach is checked */

static int64_t
clock_now (void *opaque)
{
  (void) opaque;
  return now_ms ();
}

/* Wrong pages are worse than none. */
bool
watch_verify_disk (struct watching *w, const struct nbd_dialed *d)
{
  if (align_down (d->size, w->a.block_size) != w->a.size) {
    watch_log (w, "%s has another export size: %" PRIu64 ", not %" PRIu64
               "; it is not connected", w->a.uri, d->size, w->a.size);
    return false;
  }
  if (d->block_min > w->a.block_size) {
    watch_log (w, "%s no longer accepts blocks of %" PRIu64 " bytes; it is "
               "not connected", w->a.uri, w->a.block_size);
    return false;
  }
  if (!w->knows_disk)
    strcpy (w->a.description, d->description);
  w->knows_disk = true;
  if (strcmp (d->description, w->a.description) != 0) {
    watch_log (w, "%s has lost the pages of /dev/nbd%d: it is now \"%s\", not "
               "\"%s\"; it is not connected", w->a.uri, w->a.index,
               d->description, w->a.description);
    return false;
  }
  return true;
}

static int
dial_server (void *opaque, struct nbd_dialed *d, struct pollfd *p,
             int *timeout)
{
  struct watching *w = opaque;
  int r;

  if (!w->dialing)
    nbd_dial_begin (&w->dial, &w->address, WATCH_DIAL_MS);
  r = nbd_dial_step (&w->dial);
  w->dialing = r == 0;
  if (r == -1)
    watch_log (w, "%s: %s; trying again", w->a.uri, w->dial.error);
  if (r == 0) {
    *p = (struct pollfd) { .fd = -1 };
    p->fd = nbd_dial_fd (&w->dial, &p->events);
    *timeout = nbd_dial_left (&w->dial);
  }
  if (r != 1)
    return r;
  *d = w->dial.result;
  if (watch_verify_disk (w, d))
    return 1;
  nbd_dialed_close (d);
  return -1;
}

static int
offer_socket (void *opaque, int fd)
{
  struct watching *w = opaque;

  if (nbd_reconfigure (&w->nl, w->a.index, w->a.identifier, fd) == 0)
    return 0;
  watch_log (w, "%s", w->nl.error);
  return -1;
}

static int
count_receivers (void *opaque)
{
  struct watching *w = opaque;

  return nbd_receivers (w->a.index);
}

/* In doubt the watcher stays: a device without a watcher is lost. */
static int
is_connected (void *opaque)
{
  struct watching *w = opaque;
  bool yes = false;

  if (nbd_status (&w->nl, w->a.index, &yes) == -1)
    return -1;
  return yes && !nbd_device_foreign (w->a.index, w->a.identifier);
}

static void
kill_server (void *opaque, int pidfd, pid_t pid)
{
  struct watching *w = opaque;

  /* If it is about to end by itself, this changes nothing. */
  syscall (SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
  watch_log (w, "/dev/nbd%d lost a connection to the server (pid %d); "
             "killing it before connecting again", w->a.index, (int) pid);
}

void
watch_save_record (struct watching *w)
{
  w->saved = attach_write (w->file, &w->a) == 0;
  if (!w->saved)
    watch_log (w, "%s.attach: %s", w->a.name, strerror (errno));
}

int
watch_maintain_record (struct watching *w)
{
  int64_t left = w->file_next - now_ms ();
  int fd;

  if (left > 0)
    return (int) left;
  w->file_next = now_ms () + RECORD_CHECK_MS;
  if (!attach_is_current (w->file, w->a.name)
      && (fd = attach_open (w->a.name)) != -1) {
    fd_close (&w->file);
    w->file = fd;
    w->saved = false;
  }
  if (!w->saved)
    watch_save_record (w);
  return RECORD_CHECK_MS;
}

/* Saved before a socket of the new server is offered: a successor of this
 * watcher must not take that socket for one of a server that has ended.
 */
static void
on_server_changed (void *opaque, pid_t pid)
{
  struct watching *w = opaque;

  w->a.server = pid;
  w->a.server_start = pid > 0 ? process_start_time (pid) : 0;
  watch_save_record (w);
}

void
watch_on_reconnected (void *opaque, unsigned live)
{
  struct watching *w = opaque;

  w->a.reconnects++;
  watch_save_record (w);
  w->last_message[0] = '\0';
  watch_log (w, "/dev/nbd%d: connected again, %u of %" PRIu64, w->a.index,
             live, w->a.connections);
}

const struct watcher_ops watch_ops = {
  .now = clock_now,
  .dial = dial_server,
  .offer = offer_socket,
  .receivers = count_receivers,
  .connected = is_connected,
  .kill = kill_server,
  .server_changed = on_server_changed,
  .reconnected = watch_on_reconnected,
};
