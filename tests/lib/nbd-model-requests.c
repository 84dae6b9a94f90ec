/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segments, and the requests of threads on their own. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "nbd-model.h"

static const char *const kind_names[] = {
  "write", "read", "trim", "zero", "cache", "flush",
};

/* ---- segments ---- */

static uint64_t
pick_segment_end (uint64_t *random, uint64_t offset)
{
  uint64_t end;

  switch (below (random, 5)) {
  case 0:
  case 1:
    return offset + 1 + below (random, page_size / 2);
  case 2:
    return offset + 1 + below (random, 2 * page_size);
  case 3:                       /* to the end of a page */
    end = offset + 1 + below (random, LENGTH_MAX - page_size);
    return (end + page_size - 1) / page_size * page_size;
  default:
    return offset + 1 + below (random, LENGTH_MAX);
  }
}

void
cut_segments (void)
{
  uint64_t random = seed, offset = 0, end;
  size_t room = 0;

  while (offset < disk_size) {
    if (n_segments == room) {
      room = room ? 2 * room : 256;
      segments = realloc (segments, room * sizeof *segments);
      if (!segments)
        fail ("realloc: %m");
    }
    end = min (pick_segment_end (&random, offset), disk_size);
    segments[n_segments] = (struct segment) {
      .offset = offset,
      .length = (uint32_t) (end - offset),
      .owner = (unsigned) below (&random, threads),
    };
    n_segments++;
    offset = end;
  }
  /* The tail is where arithmetic goes wrong: all have a share of it. */
  for (unsigned i = 0; i < threads && i < n_segments; ++i)
    segments[n_segments - 1 - i].owner = i;
}

static bool
in_batch (const struct op *ops, unsigned n, const struct segment *s)
{
  for (unsigned i = 0; i < n; ++i)
    if (ops[i].offset >= s->offset && ops[i].offset < s->offset + s->length)
      return true;
  return false;
}

/* One of this worker's own that no request is on, or NULL: on a small
 * disk there may be none.
 */
static const struct segment *
pick_segment (struct worker *w, unsigned n)
{
  for (int tries = 0; tries < 8; ++tries) {
    size_t i = below (&w->random, 8) == 0
      ? n_segments - 1 - below (&w->random, min (n_segments, 16))
      : below (&w->random, n_segments);

    for (; i < n_segments; ++i)
      if (segments[i].owner == w->id && !in_batch (w->ops, n, &segments[i]))
        return &segments[i];
  }
  return NULL;
}

/* ---- requests ---- */

static void
pick_range (struct worker *w, const struct segment *s, struct op *op)
{
  uint64_t slack;

  op->length = pick_length (&w->random, s->length);
  slack = s->length - op->length;
  op->offset = s->offset;
  switch (below (&w->random, 4)) {
  case 0:
    break;
  case 1:
    op->offset += slack;
    break;
  case 2:                       /* at the edge of a page, if there is one */
    op->offset += below (&w->random, slack + 1);
    op->offset = max (s->offset, op->offset / page_size * page_size);
    break;
  default:
    op->offset += below (&w->random, slack + 1);
  }
}

static void
pick_op (struct worker *w, unsigned n)
{
  static const enum kind kinds[] = {
    WRITE, WRITE, WRITE, WRITE, WRITE, WRITE, READ, READ, READ, READ,
    TRIM, TRIM, ZERO, ZERO, ZERO, CACHE, FLUSH,
  };
  const struct segment *s = pick_segment (w, n);
  struct op *op = &w->ops[n];

  op->kind = kinds[below (&w->random, sizeof kinds / sizeof kinds[0])];
  op->nbd = w->disk[below (&w->random, CONNECTIONS)];
  op->flags = 0;
  op->offset = op->length = 0;
  if (s)
    pick_range (w, s, op);
  else
    op->kind = FLUSH;
  if ((op->kind == WRITE || op->kind == TRIM || op->kind == ZERO)
      && below (&w->random, 4) == 0)
    op->flags |= LIBNBD_CMD_FLAG_FUA;
  if (op->kind == ZERO && below (&w->random, 2) == 0)
    op->flags |= LIBNBD_CMD_FLAG_NO_HOLE;
  if (op->kind == ZERO && below (&w->random, 3) == 0)
    op->flags |= LIBNBD_CMD_FLAG_FAST_ZERO;
  if (op->kind == WRITE)
    fill (&w->random, op->data, op->length, op->offset);
  w->requests++;
}

static void __attribute__ ((noreturn))
fail_op (const struct worker *w, const struct op *op, const char *what)
{
  fail ("thread %u, batch %u: %s%s%s%s of %" PRIu32 " bytes at %" PRIu64
        ": %s", w->id, w->batch, kind_names[op->kind],
        op->flags & LIBNBD_CMD_FLAG_FUA ? "+fua" : "",
        op->flags & LIBNBD_CMD_FLAG_NO_HOLE ? "+no-hole" : "",
        op->flags & LIBNBD_CMD_FLAG_FAST_ZERO ? "+fast" : "",
        op->length, op->offset, what);
}

static void
start_op (struct worker *w, struct op *op)
{
  nbd_completion_callback done = NBD_NULL_COMPLETION;

  switch (op->kind) {
  case WRITE:
    op->cookie = nbd_aio_pwrite (op->nbd, op->data, op->length, op->offset,
                                 done, op->flags);
    break;
  case READ:
    op->cookie = nbd_aio_pread (op->nbd, op->data, op->length, op->offset,
                                done, 0);
    break;
  case TRIM:
    op->cookie = nbd_aio_trim (op->nbd, op->length, op->offset, done,
                               op->flags);
    break;
  case ZERO:
    op->cookie = nbd_aio_zero (op->nbd, op->length, op->offset, done,
                               op->flags);
    break;
  case CACHE:
    op->cookie = nbd_aio_cache (op->nbd, op->length, op->offset, done, 0);
    break;
  default:
    op->cookie = nbd_aio_flush (op->nbd, done, 0);
  }
  if (op->cookie == -1)
    fail_op (w, op, nbd_get_error ());
}

/* Returns false if the disk chose not to do it. */
static bool
wait_for_op (struct worker *w, struct op *op)
{
  int r;

  while ((r = nbd_aio_command_completed (op->nbd, (uint64_t) op->cookie)) == 0)
    if (nbd_poll (op->nbd, -1) == -1)
      fail_op (w, op, nbd_get_error ());
  if (r == 1)
    return true;
  if ((op->flags & LIBNBD_CMD_FLAG_FAST_ZERO) != 0
      && nbd_get_errno () == ENOTSUP)
    return false;
  fail_op (w, op, nbd_get_error ());
}

static void
compare (const struct worker *w, const struct op *op)
{
  for (uint32_t i = 0; i < op->length; ++i)
    if (op->data[i] != w->expected[i])
      fail ("thread %u, batch %u: read of %" PRIu32 " bytes at %" PRIu64
            ": byte %" PRIu64 " is %02x, not %02x", w->id, w->batch,
            op->length, op->offset, op->offset + i, op->data[i],
            w->expected[i]);
}

static void
ask_oracle (struct worker *w, struct op *op)
{
  int r = 0;

  switch (op->kind) {
  case WRITE:
    r = nbd_pwrite (w->oracle, op->data, op->length, op->offset, 0);
    break;
  case READ:
    r = nbd_pread (w->oracle, w->expected, op->length, op->offset, 0);
    break;
  case TRIM:
  case ZERO:
    r = nbd_zero (w->oracle, op->length, op->offset, 0);
    break;
  default:
    break;
  }
  if (r == -1)
    fail ("oracle: %s", nbd_get_error ());
  if (op->kind == READ)
    compare (w, op);
}

void
one_batch (struct worker *w)
{
  unsigned n = 1 + (unsigned) below (&w->random, DEPTH);

  for (unsigned i = 0; i < n; ++i) {
    pick_op (w, i);
    start_op (w, &w->ops[i]);
  }
  for (unsigned i = 0; i < n; ++i)
    if (!wait_for_op (w, &w->ops[i]))
      w->ops[i].kind = FLUSH;           /* nothing happened */
  for (unsigned i = 0; i < n; ++i)
    ask_oracle (w, &w->ops[i]);
}
