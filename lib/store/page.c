/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "encode.h"
#include "group.h"
#include "page.h"
#include "page-fetch.h"

/* ---- publishing ---- */

/* Publish SLOT at INDEX, whose lock is held.  The caller releases *OLD after
 * it has released the lock.  0, or -1 with errno ENOSPC or EDQUOT.
 */
static int
publish (struct device *d, uint64_t index, slot_t slot, slot_t *old)
{
  while (table_prepare (&d->table, index) == -1)
    if (errno == EDQUOT || !arena_shrink (&d->pool->arena))
      return -1;
  *old = table_set (&d->table, index, slot, 0);
  recount_slot (d, *old, slot);
  return 0;
}

/* Publish SLOT, or release it if that fails. */
static int
publish_or_undo (struct device *d, uint64_t index, slot_t slot, slot_t *old)
{
  int err;

  if (publish (d, index, slot, old) == 0)
    return 0;
  err = errno;
  release_slot (d, slot);
  return fail_with (err == EDQUOT ? EDQUOT : ENOSPC);
}

/* ---- reading ---- */

/* Read the page if it is in memory: READ_OK, READ_FAILED, or
 * READ_WRITTEN_BACK.
 */
static enum read_result
read_in_memory (struct device *d, struct stream *stream, uint64_t index,
                void *page)
{
  slot_t slot;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));

  slot = table_get (&d->table, index);
  if (slot != SLOT_EMPTY)
    table_touch (&d->table, index);
  if (slot_is_written_back (slot))
    return READ_WRITTEN_BACK;
  return decode_slot (d, stream, slot, page) == 0 ? READ_OK : READ_FAILED;
}

/* As page_fetch, unless the request must not wait: then READ_FAILED with
 * errno EAGAIN.
 */
static enum read_result
fetch_if_may_wait (struct device *d, struct stream **stream, uint64_t index,
                   void *dst, bool must_stay)
{
  if (!(*stream)->must_not_wait)
    return page_fetch (d, stream, index, dst, must_stay);
  errno = EAGAIN;
  return READ_FAILED;
}

int
page_read (struct device *d, struct stream **stream, uint64_t index,
           void *buf, uint32_t offset, uint32_t count)
{
  bool whole = count == device_page_size (d);
  enum read_result r;

  do {
    r = read_in_memory (d, *stream, index, whole ? buf : (*stream)->page);
    if (r == READ_WRITTEN_BACK)
      r = fetch_if_may_wait (d, stream, index, whole ? buf : NULL, false);
  } while (r == READ_SLOT_CHANGED);
  if (r != READ_OK)
    return -1;
  if (!whole)
    memcpy (buf, (*stream)->page + offset, count);
  return 0;
}

/* ---- writing ---- */

/* A write replaces another object.  With dedup, releasing that needs its
 * header and then its node of the index, which are seldom in the processor's
 * cache: waiting for them would cost 5 % of a write.
 */
static void
prefetch_old (struct device *d, uint64_t index,
              void (*what) (struct device *d, slot_t old))
{
  if (!d->pool->has_dedup)
    return;

  LOCK_FOR_SCOPE (table_lock (&d->table, index));
  what (d, table_get (&d->table, index));
}

static int
write_whole (struct device *d, struct stream *stream, uint64_t index,
             const void *page)
{
  struct encoding e;
  slot_t slot, old;

  prefetch_old (d, index, prefetch_header);
  encode_begin (d, stream, page, &e);
  prefetch_old (d, index, prefetch_release);
  if (encode_end (d, stream, &e, &slot) == -1)
    return -1;
  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (publish_or_undo (d, index, slot, &old) == -1)
      return -1;
  }
  release_slot (d, old);
  return 0;
}

/* Change bytes of a page in memory: read it, change it, and publish the
 * new object, all under the slot's lock, so that two writers of different
 * bytes of a page do not lose each other's.  BUF NULL stands for zeroes.
 * Returns READ_OK, READ_FAILED, or READ_WRITTEN_BACK.
 */
static enum read_result
change_in_memory (struct device *d, struct stream *stream, uint64_t index,
                  const void *buf, uint32_t offset, uint32_t count)
{
  slot_t slot, old;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    old = table_get (&d->table, index);
    if (!buf && old == SLOT_EMPTY)
      return READ_OK;
    if (slot_is_written_back (old))
      return READ_WRITTEN_BACK;
    if (decode_slot (d, stream, old, stream->page) == -1)
      return READ_FAILED;
    if (buf)
      memcpy (stream->page + offset, buf, count);
    else
      memset (stream->page + offset, 0, count);
    if (encode_page (d, stream, stream->page, &slot) == -1
        || publish_or_undo (d, index, slot, &old) == -1)
      return READ_FAILED;
  }
  release_slot (d, old);
  return READ_OK;
}

static int
write_part (struct device *d, struct stream **stream, uint64_t index,
            const void *buf, uint32_t offset, uint32_t count)
{
  enum read_result r;

  while ((r = change_in_memory (d, *stream, index, buf, offset, count))
         == READ_WRITTEN_BACK)
    if (fetch_if_may_wait (d, stream, index, NULL, true) == READ_FAILED)
      return -1;
  return r == READ_OK ? 0 : -1;
}

/* Bytes of the device in page INDEX: fewer in the last one. */
static uint32_t
page_extent (const struct device *d, uint64_t index)
{
  uint32_t page_size = device_page_size (d);

  return (uint32_t) MIN (page_size, d->size - index * page_size);
}

int
page_write (struct device *d, struct stream **stream, uint64_t index,
            const void *buf, uint32_t offset, uint32_t count)
{
  if (count == device_page_size (d))
    return write_whole (d, *stream, index, buf);
  if (count < page_extent (d, index))
    return write_part (d, stream, index, buf, offset, count);

  /* The whole of a last page that is cut short. */
  memcpy ((*stream)->page, buf, count);
  memset ((*stream)->page + count, 0, device_page_size (d) - count);
  return write_whole (d, *stream, index, (*stream)->page);
}

int
page_zero (struct device *d, struct stream **stream, uint64_t index,
           uint32_t offset, uint32_t count)
{
  return write_part (d, stream, index, NULL, offset, count);
}

/* Publish an empty slot, and return the old one.  The slot's lock is held,
 * and the slot is not empty.
 */
static slot_t
publish_empty (struct device *d, uint64_t index)
{
  slot_t old = table_set (&d->table, index, SLOT_EMPTY, 0);

  count_slot (d, old, -1);
  return old;
}

void
page_trim (struct device *d, uint64_t index)
{
  slot_t old;

  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (table_get (&d->table, index) == SLOT_EMPTY)
      return;
    old = publish_empty (d, index);
  }
  release_slot (d, old);
  atomic_fetch_add_explicit (&d->pool->counters.notify_free, 1,
                             memory_order_relaxed);
}

bool
page_trim_if (struct device *d, uint64_t index, slot_t slot)
{
  {
    LOCK_FOR_SCOPE (table_lock (&d->table, index));

    if (slot == SLOT_EMPTY || table_get (&d->table, index) != slot)
      return false;
    publish_empty (d, index);
  }
  release_slot (d, slot);
  return true;
}

/* ---- attach ---- */

/* Let streams read what SLOT names.  The codec of a group in the backing
 * file is known only there, so it may be any.
 */
static int
add_codec_of (struct device *d, slot_t slot)
{
  struct streams *streams = &d->pool->streams;
  unsigned id;

  if (slot_is_group (slot))
    return slot_is_written_back (slot) ? group_attach_any_codec (d)
                                       : group_attach_codec (d, slot);
  if (!slot_is_stored (slot) || slot_codec (slot) == CODEC_FILL)
    return 0;
  id = codec_without_dictionary (slot_codec (slot));
  return id < CODEC_IDS ? streams_add_codec (streams, id) : 0;
}

enum attach_result
page_attach (struct device *d, uint64_t index, slot_t slot)
{
  if (slot_names_object (slot)) {
    enum attach_result r = claim_slot (d, slot);

    if (r == ATTACH_SLOT_DAMAGED)
      slot = SLOT_BAD;
    else if (r != ATTACH_OK)
      return r;
  }
  if (!slot_names_object (slot) && !slot_is_same (slot)) {
    atomic_fetch_add (&d->pool->counters.bad_slots, 1);
    table_set (&d->table, index, SLOT_BAD, 0);
    slot = SLOT_BAD;
  }
  count_slot (d, slot, 1);
  return add_codec_of (d, slot) == 0 ? ATTACH_OK : ATTACH_FAILED;
}
