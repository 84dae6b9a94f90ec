/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block status, and reads, across the segments of several threads. */

#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nbd-model.h"

static int
note_extents (void *opaque, const char *context, uint64_t offset,
              uint32_t *entries, size_t n, int *error)
{
  struct extents *e = opaque;

  (void) error;
  if (strcmp (context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
    return 0;
  if (offset != e->end || n == 0)
    fail ("block status of %" PRIu64 " begins at %" PRIu64, e->end, offset);
  for (size_t i = 0; i < n; i += 2) {
    if (entries[i] == 0)
      fail ("an extent at %" PRIu64 " is empty", e->end);
    if (e->n < sizeof e->flags / sizeof e->flags[0]) {
      e->starts[e->n] = e->end;
      e->ends[e->n] = e->end + entries[i];
      e->flags[e->n++] = entries[i + 1];
    }
    e->end += entries[i];
  }
  return 0;
}

struct extents *
get_extents (struct nbd_handle *nbd, uint64_t offset, uint64_t length,
             uint32_t flags)
{
  struct extents *e = allocate (sizeof *e);

  e->offset = e->end = offset;
  e->n = 0;
  if (nbd_block_status (nbd, length, offset,
                        (nbd_extent_callback) {
                          .callback = note_extents, .user_data = e,
                        }, flags) == -1)
    fail ("block status of %" PRIu64 " bytes at %" PRIu64 ": %s",
          length, offset, nbd_get_error ());
  if (e->n == 0)
    fail ("block status of %" PRIu64 " says nothing", offset);
  if ((flags & LIBNBD_CMD_FLAG_REQ_ONE) != 0
      && (e->n != 1 || e->end > offset + length))
    fail ("block status of one extent at %" PRIu64 ": %u, up to %" PRIu64,
          offset, e->n, e->end);
  return e;
}

/* The bytes of [OFFSET, END) that worker ID owns, all of them if it is
 * -1, are zeroes to the oracle.
 */
static void
check_zeroes (struct nbd_handle *oracle, int id, uint64_t offset, uint64_t end)
{
  static _Thread_local uint8_t buf[LENGTH_MAX];

  for (size_t i = 0; i < n_segments && segments[i].offset < end; ++i) {
    uint64_t from = max (offset, segments[i].offset);
    uint64_t to = min (end, segments[i].offset + segments[i].length);

    if (from >= to || (id != -1 && segments[i].owner != (unsigned) id))
      continue;
    while (from < to) {
      uint32_t n = (uint32_t) min (to - from, sizeof buf);

      if (nbd_pread (oracle, buf, n, from, 0) == -1)
        fail ("oracle: %s", nbd_get_error ());
      for (uint32_t b = 0; b < n; ++b)
        if (buf[b] != 0)
          fail ("block status says that byte %" PRIu64 " is zero, it is %02x",
                from + b, buf[b]);
      from += n;
    }
  }
}

void
check_extents (const struct extents *e, struct nbd_handle *oracle, int id)
{
  for (unsigned i = 0; i < e->n; ++i)
    if ((e->flags[i] & (LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO)) != 0)
      check_zeroes (oracle, id, e->starts[i], min (e->ends[i], disk_size));
}

void
one_block_status (struct worker *w)
{
  uint64_t offset = below (&w->random, disk_size);
  uint64_t length = min (1 + below (&w->random, 4 * LENGTH_MAX),
                         disk_size - offset);
  uint32_t flags = below (&w->random, 4) == 0 ? LIBNBD_CMD_FLAG_REQ_ONE : 0;
  struct extents *e = get_extents (w->disk[below (&w->random, CONNECTIONS)],
                                   offset, length, flags);

  check_extents (e, w->oracle, (int) w->id);
  free (e);
  w->requests++;
}

void
one_wide_read (struct worker *w)
{
  uint32_t length = (uint32_t) min (1 + below (&w->random, LENGTH_MAX),
                                    disk_size);
  uint64_t offset = below (&w->random, disk_size - length + 1);
  struct op *op = &w->ops[0];

  if (nbd_pread (w->disk[0], op->data, length, offset, 0) == -1
      || nbd_pread (w->oracle, w->expected, length, offset, 0) == -1)
    fail ("read of %" PRIu32 " at %" PRIu64 ": %s", length, offset,
          nbd_get_error ());
  for (size_t i = 0; i < n_segments; ++i) {
    uint64_t from = max (offset, segments[i].offset);
    uint64_t to = min (offset + length,
                       segments[i].offset + segments[i].length);

    if (from < to && segments[i].owner == w->id
        && memcmp (op->data + (from - offset), w->expected + (from - offset),
                   to - from) != 0)
      fail ("thread %u, batch %u: a wide read differs in %" PRIu64 "-%" PRIu64,
            w->id, w->batch, from, to);
  }
  w->requests++;
}
