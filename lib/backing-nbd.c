/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file that is an export of an NBD server. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backing.h"
#include "backing-internal.h"
#include "far-end.h"

/* Of what is read at once, and of what is trimmed at once where nothing is
 * yet to be lost.
 */
#define READ_PIECE (64 * KIB)
#define CUT_PIECE GIB

/* Who had this pool before may have been killed with writes under way, and
 * its last words may still be in a buffer of the server's, which answers
 * us.  They go to blocks that are free to us: nothing is written for so
 * many milliseconds.
 */
#define PREDECESSOR 1000

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

static int
nbd_open (struct backing *b, const struct backing_options *o, uint64_t *size)
{
  struct far_end_options far = {
    .uri = o->path, .timeout = o->timeout, .log = o->log,
  };

  errno = EREMOTEIO;
  b->is_device = true;
  if (has_relative_socket (o->path)) {
    snprintf (o->error, o->error_size, "the path of a socket begins with a "
              "slash");
    return -1;
  }
  b->far_end = far_end_open (&far, o->error, o->error_size);
  if (!b->far_end) {
    errno = EREMOTEIO;
    return -1;
  }
  b->can_give_back = far_end_can_trim (b->far_end);
  *size = far_end_size (b->far_end);
  if (record_has (o->record))
    b->write_from = b->io->now () + PREDECESSOR;
  return 0;
}

static void
nbd_rest (struct backing *b)
{
  b->looked_at = b->io->now ();
  far_end_rest (b->far_end);
}

static bool
is_ours (void *opaque, const void *block)
{
  return backing_is_header_of (opaque, block);
}

static int
nbd_start (struct backing *b)
{
  return far_end_start (b->far_end, is_ours, b);
}

static void
nbd_close_far_end (struct backing *b)
{
  far_end_close (b->far_end);
  b->far_end = NULL;
}

static int
nbd_read (struct backing *b, void *buf, size_t len, size_t needed,
          uint64_t offset, bool patient)
{
  (void) needed;                /* an export is as long as it is */
  for (size_t done = 0; done < len; done += READ_PIECE)
    if (far_end_read (b->far_end, (char *) buf + done,
                      MIN (READ_PIECE, len - done), offset + done, patient)
        == -1)
      return -1;
  return 0;
}

static void
let_predecessor_end (struct backing *b)
{
  uint64_t now = b->io->now ();

  if (now < b->write_from)
    usleep ((useconds_t) (b->write_from - now) * 1000);
}

static int
look_at_header (struct backing *b)
{
  char block[BACKING_BLOCK];
  uint64_t now = b->io->now ();

  if (b->looked_at == 0 || now < b->looked_at + LOOK)
    return 0;
  if (far_end_read (b->far_end, block, sizeof block, 0, false) == -1)
    return -1;
  b->looked_at = now;
  if (backing_is_header_of (b, block))
    return 0;
  far_end_distrust (b->far_end);
  errno = EIO;
  return -1;
}

static int
nbd_write (struct backing *b, const struct backing_run *runs, unsigned count,
           bool *unsure)
{
  *unsure = false;
  let_predecessor_end (b);
  if (look_at_header (b) == -1)
    return -1;
  if (far_end_write (b->far_end, runs, count, unsure) == -1)
    return -1;
  for (unsigned i = 0; i < count; ++i)
    atomic_fetch_add (&b->counters.write_bytes, runs[i].length);
  return 0;
}

static int
nbd_give_back (struct backing *b, uint64_t offset, uint64_t length,
               bool *unsure)
{
  *unsure = false;
  let_predecessor_end (b);
  if (look_at_header (b) == -1)
    return -1;
  return far_end_trim (b->far_end, offset, length, unsure);
}

/* That a server does not like to trim does not matter; that it may do so
 * later does.
 */
static int
nbd_cut (struct backing *b, uint64_t end)
{
  uint64_t size = (uint64_t) b->blocks * BACKING_BLOCK;
  bool unsure;

  if (!b->can_give_back)
    return 0;
  for (; end < size; end += CUT_PIECE)
    if (far_end_trim (b->far_end, end, MIN (CUT_PIECE, size - end), &unsure)
        == -1)
      return unsure || errno == ENOTCONN ? -1 : 0;
  return 0;
}

static uint64_t
nbd_space (const struct backing *b)
{
  return (uint64_t) atomic_load (&b->used) * BACKING_BLOCK;
}

/* Of what is free, nobody knows what was written before. */
static void
nbd_find_space (struct backing *b)
{
  space_set_backed (b, 1, b->high_water);
}

static enum backing_state
nbd_state (const struct backing *b)
{
  struct far_end_stats st;

  far_end_get_stats (b->far_end, &st);
  return st.is_wrong ? BACKING_WRONG
    : st.connections == 0 ? BACKING_AWAY : BACKING_OK;
}

static void
nbd_count (const struct backing *b, struct backing_stats *st)
{
  struct far_end_stats far;

  far_end_get_stats (b->far_end, &far);
  st->connections = far.connections;
  st->reconnects = far.reconnects;
}

const struct backing_kind backing_nbd = {
  .open = nbd_open,
  .rest = nbd_rest,
  .start = nbd_start,
  .close = nbd_close_far_end,
  .read = nbd_read,
  .write = nbd_write,
  .give_back = nbd_give_back,
  .cut = nbd_cut,
  .space = nbd_space,
  .find_space = nbd_find_space,
  .state = nbd_state,
  .count = nbd_count,
};
