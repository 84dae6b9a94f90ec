/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "page.h"

/* ---- requests, page by page ---- */

/* The part of a request that lies in one page. */
struct piece {
  uint64_t index;
  uint32_t offset;              /* in the page */
  uint32_t count;
};

static struct piece
first_piece (const struct device *d, uint64_t offset, uint64_t count)
{
  uint32_t page_size = d->pool->sizes.page_size;
  struct piece p = {
    .index = offset / page_size,
    .offset = (uint32_t) (offset % page_size),
  };

  p.count = (uint32_t) MIN (count, page_size - p.offset);
  return p;
}

static int
read_pieces (struct device *d, struct stream **stream, uint8_t *buf,
             uint32_t count, uint64_t offset)
{
  while (count > 0) {
    struct piece p = first_piece (d, offset, count);

    if (page_read (d, stream, p.index, buf, p.offset, p.count) == -1)
      return -1;
    buf += p.count;
    offset += p.count;
    count -= p.count;
  }
  return 0;
}

static int
write_pieces (struct device *d, struct stream **stream, const uint8_t *buf,
              uint32_t count, uint64_t offset)
{
  while (count > 0) {
    struct piece p = first_piece (d, offset, count);

    if (page_write (d, stream, p.index, buf, p.offset, p.count) == -1)
      return -1;
    buf += p.count;
    offset += p.count;
    count -= p.count;
  }
  return 0;
}

/* ---- counters ---- */

static void
add_to_counter (_Atomic uint64_t *to, uint64_t n)
{
  atomic_fetch_add_explicit (to, n, memory_order_relaxed);
}

static void
count_failure (struct device *d, _Atomic uint64_t *of_pool)
{
  add_to_counter (of_pool, 1);
  add_to_counter (&d->counters.failed, 1);
}

/* ---- reading and writing ---- */

/* A stream for a request that may wait, or must not. */
static struct stream *
get_stream (struct device *d, bool may_wait)
{
  struct stream *stream = stream_get (&d->pool->streams);

  stream->must_not_wait = !may_wait;
  return stream;
}

static void
put_stream (struct device *d, struct stream *stream)
{
  stream->must_not_wait = false;
  stream_put (&d->pool->streams, stream);
}

static int
read_range (struct device *d, void *buf, uint32_t count, uint64_t offset,
            bool may_wait)
{
  uint64_t start = latency_clock ();
  struct stream *stream = get_stream (d, may_wait);
  int r = read_pieces (d, &stream, buf, count, offset);

  if (r == 0 || errno != EAGAIN)
    latency_record (&stream->latency[REQUEST_READ], start, count);
  put_stream (d, stream);
  if (r == -1 && errno == EAGAIN)
    return -1;
  add_to_counter (&d->counters.reads, 1);
  add_to_counter (&d->counters.read_bytes, count);
  if (r == -1)
    count_failure (d, &d->pool->counters.failed_reads);
  return r;
}

int
device_read (struct device *d, void *buf, uint32_t count, uint64_t offset)
{
  return read_range (d, buf, count, offset, true);
}

int
device_try_read (struct device *d, void *buf, uint32_t count, uint64_t offset)
{
  return read_range (d, buf, count, offset, false);
}

/* How often a write that finds no memory is tried again.  Other requests may
 * take the memory that was freed while this one waited.
 */
#define TRIES_MAX 64

struct retries {
  unsigned count;
  struct timespec until;
};

/* Wait for memory if errno is ENOSPC.  Returns whether to try again; keeps
 * errno if not.
 */
static bool
wait_to_retry (struct device *d, struct retries *tries)
{
  if (errno != ENOSPC)
    return false;
  if (++tries->count < TRIES_MAX
      && reclaim_wait (&d->pool->reclaim, &tries->until))
    return true;
  errno = ENOSPC;
  return false;
}

static int
write_once (struct device *d, const void *buf, uint32_t count,
            uint64_t offset, uint64_t start, bool may_wait)
{
  struct stream *stream = get_stream (d, may_wait);
  int r = write_pieces (d, &stream, buf, count, offset);

  if (r == 0)
    latency_record (&stream->latency[REQUEST_WRITE], start, count);
  put_stream (d, stream);
  return r;
}

static void
count_write (struct device *d, uint32_t count)
{
  add_to_counter (&d->counters.writes, 1);
  add_to_counter (&d->counters.write_bytes, count);
}

int
device_write (struct device *d, const void *buf, uint32_t count,
              uint64_t offset)
{
  uint64_t start = latency_clock ();
  struct retries tries = { .count = 0 };

  count_write (d, count);
  do
    if (write_once (d, buf, count, offset, start, true) == 0)
      return 0;
  while (wait_to_retry (d, &tries));
  count_failure (d, &d->pool->counters.failed_writes);
  return -1;
}

/* Would the request that failed with errno have to wait?  Maintenance may free
 * memory for it.  Sets errno to EAGAIN then.
 */
static bool
would_wait (void)
{
  if (errno != EAGAIN && errno != ENOSPC)
    return false;
  errno = EAGAIN;
  return true;
}

int
device_try_write (struct device *d, const void *buf, uint32_t count,
                  uint64_t offset)
{
  int r = write_once (d, buf, count, offset, latency_clock (), false);

  if (r == -1 && would_wait ())
    return -1;
  count_write (d, count);
  if (r == -1)
    count_failure (d, &d->pool->counters.failed_writes);
  return r;
}

/* ---- zeroes ---- */

/* Trim pages FIRST up to END, all of one leaf. */
static void
trim_in_leaf (struct device *d, uint64_t first, uint64_t end)
{
  for (uint64_t index = first; index < end; ++index)
    page_trim (d, index);
  table_release_leaf (&d->table, first / LEAF_SLOTS);
}

static void
trim_pages (struct device *d, uint64_t first, uint64_t end)
{
  uint64_t leaf = table_next_leaf (&d->table, first / LEAF_SLOTS);

  while (leaf < d->table.leaves && leaf * LEAF_SLOTS < end) {
    trim_in_leaf (d, MAX (first, leaf * LEAF_SLOTS),
                  MIN (end, (leaf + 1) * LEAF_SLOTS));
    leaf = table_next_leaf (&d->table, leaf + 1);
  }
}

static int
zero_part (struct device *d, uint64_t offset, uint32_t count, bool may_wait)
{
  struct piece p = first_piece (d, offset, count);
  struct retries tries = { .count = 0 };
  int r;

  do {
    struct stream *stream = get_stream (d, may_wait);

    r = page_zero (d, &stream, p.index, p.offset, p.count);
    put_stream (d, stream);
    if (r == -1 && !may_wait && would_wait ())
      return -1;
  } while (r == -1 && wait_to_retry (d, &tries));
  if (r == -1)
    count_failure (d, &d->pool->counters.failed_writes);
  return r;
}

/* Zeroes the parts of pages at either end of a range. */
static int
zero_ends (struct device *d, uint64_t first, uint64_t last, uint64_t offset,
           uint64_t end, bool may_wait)
{
  uint32_t page_size = d->pool->sizes.page_size;

  if (offset < first * page_size
      && zero_part (d, offset, (uint32_t) (first * page_size - offset),
                    may_wait) == -1)
    return -1;
  if (end > last * page_size)
    return zero_part (d, last * page_size,
                      (uint32_t) (end - last * page_size), may_wait);
  return 0;
}

static int
zero_range (struct device *d, uint64_t count, uint64_t offset, bool may_wait)
{
  uint32_t page_size = d->pool->sizes.page_size;
  uint64_t end = offset + count;
  /* The last page ends where the device does. */
  uint64_t last = end == d->size ? d->pages : end / page_size;
  uint64_t first = div_up (offset, page_size);

  if (first > last)             /* within one page */
    return zero_part (d, offset, (uint32_t) count, may_wait);
  /* First, since the parts may need the memory that these give back. */
  trim_pages (d, first, last);
  return zero_ends (d, first, last, offset, end, may_wait);
}

int
device_zero (struct device *d, uint64_t count, uint64_t offset)
{
  add_to_counter (&d->counters.trims, 1);
  return zero_range (d, count, offset, true);
}

int
device_try_zero (struct device *d, uint64_t count, uint64_t offset)
{
  int r = zero_range (d, count, offset, false);

  if (r == 0 || errno != EAGAIN)
    add_to_counter (&d->counters.trims, 1);
  return r;
}

/* ---- extents ---- */

static enum extent_kind
extent_kind_of (slot_t slot)
{
  if (slot == SLOT_EMPTY)
    return EXTENT_HOLE;
  return slot_is_same (slot) && slot_same_word (slot) == 0
    ? EXTENT_ZERO : EXTENT_DATA;
}

/* The kind of page INDEX, and in *END the first page after it, up to the end
 * of its leaf, that is of another kind.
 */
static enum extent_kind
find_run_in_leaf (const slot_t slots[LEAF_SLOTS], uint64_t index,
                  uint64_t *end)
{
  enum extent_kind kind = extent_kind_of (slots[index % LEAF_SLOTS]);

  do
    ++index;
  while (index % LEAF_SLOTS != 0
         && extent_kind_of (slots[index % LEAF_SLOTS]) == kind);
  *end = index;
  return kind;
}

int
device_extents (struct device *d, uint64_t count, uint64_t offset,
                int (*fn) (void *opaque, uint64_t offset, uint64_t length,
                           enum extent_kind kind),
                void *opaque)
{
  uint32_t page_size = d->pool->sizes.page_size;
  uint64_t end = offset + count;
  uint64_t copied = UINT64_MAX;
  slot_t slots[LEAF_SLOTS];

  while (offset < end) {
    uint64_t index = offset / page_size;
    uint64_t leaf = table_next_leaf (&d->table, index / LEAF_SLOTS);
    uint64_t stop;
    enum extent_kind kind = EXTENT_HOLE;

    if (leaf * LEAF_SLOTS > index)
      stop = leaf * LEAF_SLOTS;
    else {
      if (leaf != copied && !table_copy_leaf (&d->table, leaf, slots))
        continue;               /* it has just been released */
      copied = leaf;
      kind = find_run_in_leaf (slots, index, &stop);
    }
    stop = MIN (stop * page_size, end);
    if (fn (opaque, offset, stop - offset, kind) == -1)
      return -1;
    offset = stop;
  }
  return 0;
}
