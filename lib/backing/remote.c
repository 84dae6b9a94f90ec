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
remote_open (struct remote *d, const struct nbd_client_options *o,
             bool has_pages, char *error, size_t size)
{
  if (has_relative_socket (o->uri)) {
    snprintf (error, size, "the path of the socket must begin with a slash");
    return -1;
  }
  d->nbd_client = nbd_client_open (o, error, size);
  if (!d->nbd_client)
    return -1;
  if (has_pages)
    d->write_from = nbd_client_is_connected (d->nbd_client)
      ? os_milliseconds () + PREDECESSOR : WHEN_FOUND;
  return 0;
}

void
remote_disconnect (struct remote *d)
{
  d->looked_at = os_milliseconds ();
  nbd_client_disconnect (d->nbd_client);
}

int
remote_start (struct remote *d,
              bool (*is_right) (void *opaque, const void *block),
              void *opaque)
{
  d->is_right = is_right;
  d->opaque = opaque;
  return nbd_client_start (d->nbd_client, is_right, opaque);
}

void
remote_stop (struct remote *d)
{
  nbd_client_stop (d->nbd_client);
}

void
remote_close (struct remote *d)
{
  nbd_client_close (d->nbd_client);
  d->nbd_client = NULL;
}

int
remote_read (struct remote *d, void *buf, size_t len, uint64_t offset,
             bool patient)
{
  for (size_t done = 0; done < len; done += READ_PIECE)
    if (nbd_client_read (d->nbd_client, (char *) buf + done,
                         MIN (READ_PIECE, len - done), offset + done, patient)
        == -1)
      return -1;
  return 0;
}

void
remote_delay_writes (struct remote *d)
{
  d->write_from = os_milliseconds () + PREDECESSOR;
}

static void
let_predecessor_end (struct remote *d)
{
  uint64_t now = os_milliseconds ();

  if (d->write_from == WHEN_FOUND)
    remote_delay_writes (d);
  if (now < d->write_from)
    usleep ((useconds_t) (d->write_from - now) * 1000);
}

int
remote_verify_header (struct remote *d)
{
  char block[BACKING_BLOCK];
  uint64_t now = os_milliseconds ();

  if (nbd_client_read (d->nbd_client, block, sizeof block, 0, false) == -1)
    return -1;
  d->looked_at = now;
  if (d->is_right (d->opaque, block))
    return 0;
  nbd_client_mark_wrong (d->nbd_client);
  errno = EIO;
  return -1;
}

int
remote_wait_to_write (struct remote *d)
{
  let_predecessor_end (d);
  return d->looked_at == 0 || os_milliseconds () < d->looked_at + LOOK
    ? 0 : remote_verify_header (d);
}

int
remote_trim_from (struct remote *d, uint64_t end, uint64_t size)
{
  bool unsure;

  if (!nbd_client_can_trim (d->nbd_client))
    return 0;
  for (; end < size; end += CUT_PIECE)
    if (nbd_client_trim (d->nbd_client, end, MIN (CUT_PIECE, size - end),
                         &unsure)
        == -1)
      return unsure || errno == ENOTCONN ? -1 : 0;
  return 0;
}

void
remote_count (const struct remote *d, struct backing_stats *st)
{
  struct nbd_client_stats far;

  nbd_client_get_stats (d->nbd_client, &far);
  st->connections += far.connections;
  st->reconnects += far.reconnects;
}
