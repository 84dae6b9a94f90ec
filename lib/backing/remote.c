/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "nbd-client.h"
#include "remote.h"

/* Bytes of one read, and of one trim while the disk has no pages: few enough
 * that a slow server does not seem to hang.
 */
#define READ_PIECE (64 * KIB)
#define TRIM_PIECE (32 * MIB)

/* An earlier process that had this pool may have been killed while it wrote,
 * and the server may still have its last requests in a buffer while it
 * already answers us.  They go to blocks that are free to us, so nothing is
 * written for so many milliseconds.
 */
#define PREDECESSOR_MS 1000
#define WHEN_CONNECTED UINT64_MAX

/* An export has no lock, so another program may have taken it over.  The
 * header is read before something is written, but not more often than once
 * in so many milliseconds.
 */
#define VERIFY_MS 5000

/* A relative path would change its meaning: nbdkit changes its directory when
 * it detaches from its terminal.
 */
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
      ? os_milliseconds () + PREDECESSOR_MS : WHEN_CONNECTED;
  return 0;
}

void
remote_disconnect (struct remote *d)
{
  d->verified_at = os_milliseconds ();
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
  d->write_from = os_milliseconds () + PREDECESSOR_MS;
}

static void
wait_for_predecessor (struct remote *d)
{
  uint64_t now = os_milliseconds ();

  if (d->write_from == WHEN_CONNECTED)
    remote_delay_writes (d);
  if (now < d->write_from)
    usleep ((useconds_t) (d->write_from - now) * 1000);
}

int
remote_verify_header (struct remote *d)
{
  char block[NBD_DISK_BLOCK];
  uint64_t now = os_milliseconds ();

  if (nbd_client_read (d->nbd_client, block, sizeof block, 0, false) == -1)
    return -1;
  d->verified_at = now;
  if (d->is_right (d->opaque, block))
    return 0;
  nbd_client_mark_wrong (d->nbd_client);
  return fail_with (EIO);
}

int
remote_wait_to_write (struct remote *d)
{
  wait_for_predecessor (d);
  return d->verified_at == 0 || os_milliseconds () < d->verified_at + VERIFY_MS
    ? 0 : remote_verify_header (d);
}

int
remote_trim_from (struct remote *d, uint64_t end, uint64_t size)
{
  bool unsure;

  if (!nbd_client_can_trim (d->nbd_client))
    return 0;
  for (; end < size; end += TRIM_PIECE)
    if (nbd_client_trim (d->nbd_client, end, MIN (TRIM_PIECE, size - end),
                         &unsure)
        == -1)
      return unsure || errno == ENOTCONN ? -1 : 0;
  return 0;
}
