/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/os.h"

#include "backing.h"
#include "nbd-client.h"
#include "remote.h"

/* Of what is read at once, and of what is trimmed at once where nothing is
 * yet to be lost: not so much that a slow server seems to stand still.
 */
#define READ_PIECE (64 * KIB)
#define CUT_PIECE (32 * MIB)

/* Who had this pool before may have been killed with writes under way, and
 * its last words may still be in a buffer of the server's, which answers
 * us.  They go to blocks that are free to us: nothing is written for so
 * many milliseconds.
 */
#define PREDECESSOR 1000
#define WHEN_FOUND UINT64_MAX

/* There is no lock on an export, so another program may have taken it over:
 * before something is written, but not more often than so many
 * milliseconds, the header is looked at.
 */
#define LOOK 5000

/* A server changes its directory when it leaves its terminal. */
static bool
has_relative_socket (const char *uri)
{
  const char *query = strchr (uri, '?');
  const char *socket = query ? strstr (query, "socket=") : NULL;

  return socket && socket[7] != '/' && strncmp (socket + 7, "%2", 2) != 0;
}

int
nbd_disk_open (struct nbd_disk *d, const struct far_end_options *far,
               const struct backing_options *o)
{
  errno = EREMOTEIO;
  if (has_relative_socket (far->uri)) {
    snprintf (o->error, o->error_size, "the path of a socket begins with a "
              "slash");
    return -1;
  }
  d->far_end = far_end_open (far, o->error, o->error_size);
  if (!d->far_end) {
    errno = EREMOTEIO;
    return -1;
  }
  if (record_has (o->record))
    d->write_from = far_end_is_there (d->far_end)
      ? os_milliseconds () + PREDECESSOR : WHEN_FOUND;
  return 0;
}

void
nbd_disk_rest (struct nbd_disk *d)
{
  d->looked_at = os_milliseconds ();
  far_end_rest (d->far_end);
}

int
nbd_disk_start (struct nbd_disk *d,
                bool (*is_right) (void *opaque, const void *block),
                void *opaque)
{
  d->is_right = is_right;
  d->opaque = opaque;
  return far_end_start (d->far_end, is_right, opaque);
}

void
nbd_disk_stop (struct nbd_disk *d)
{
  far_end_stop (d->far_end);
}

void
nbd_disk_close (struct nbd_disk *d)
{
  far_end_close (d->far_end);
  d->far_end = NULL;
}

int
nbd_disk_read (struct nbd_disk *d, void *buf, size_t len, uint64_t offset,
               bool patient)
{
  for (size_t done = 0; done < len; done += READ_PIECE)
    if (far_end_read (d->far_end, (char *) buf + done,
                      MIN (READ_PIECE, len - done), offset + done, patient)
        == -1)
      return -1;
  return 0;
}

void
nbd_disk_beware (struct nbd_disk *d)
{
  d->write_from = os_milliseconds () + PREDECESSOR;
}

static void
let_predecessor_end (struct nbd_disk *d)
{
  uint64_t now = os_milliseconds ();

  if (d->write_from == WHEN_FOUND)
    nbd_disk_beware (d);
  if (now < d->write_from)
    usleep ((useconds_t) (d->write_from - now) * 1000);
}

int
nbd_disk_look (struct nbd_disk *d)
{
  char block[BACKING_BLOCK];
  uint64_t now = os_milliseconds ();

  if (far_end_read (d->far_end, block, sizeof block, 0, false) == -1)
    return -1;
  d->looked_at = now;
  if (d->is_right (d->opaque, block))
    return 0;
  far_end_distrust (d->far_end);
  errno = EIO;
  return -1;
}

int
nbd_disk_may_write (struct nbd_disk *d)
{
  let_predecessor_end (d);
  return d->looked_at == 0 || os_milliseconds () < d->looked_at + LOOK
    ? 0 : nbd_disk_look (d);
}

int
nbd_disk_cut (struct nbd_disk *d, uint64_t end, uint64_t size)
{
  bool unsure;

  if (!far_end_can_trim (d->far_end))
    return 0;
  for (; end < size; end += CUT_PIECE)
    if (far_end_trim (d->far_end, end, MIN (CUT_PIECE, size - end), &unsure)
        == -1)
      return unsure || errno == ENOTCONN ? -1 : 0;
  return 0;
}

void
nbd_disk_count (const struct nbd_disk *d, struct backing_stats *st)
{
  struct far_end_stats far;

  far_end_get_stats (d->far_end, &far);
  st->connections += far.connections;
  st->reconnects += far.reconnects;
}
