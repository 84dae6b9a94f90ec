/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>

#include "lib/base/util.h"
#include "lib/codec/stream.h"
#include "lib/store/encode.h"
#include "lib/store/page-claim.h"

#include "recompress.h"

/* The largest objects come first, in so many steps of size. */
#define BANDS 8

struct recompressor {
  struct pool *pool;
  const struct recompress_request *req;
  struct stream *stream;        /* for decompressing one page */
  struct recompress_result *result;
  uint32_t from, to;            /* bytes of the objects of this band */
  int error;
};

static uint32_t
class_size (const struct pool *pool, uint32_t bytes)
{
  return pool->sizes.classes[size_class_of (&pool->sizes, bytes)].size;
}

/* The first and the last algorithm to try for a page. */
static unsigned
first_priority (const struct recompressor *r, page_info info)
{
  return r->req->priority != 0 ? r->req->priority : info_tried (info) + 1;
}

static unsigned
last_priority (const struct recompressor *r)
{
  return r->req->priority != 0 ? r->req->priority : r->pool->scratch.count;
}

/* Is an object of BYTES, checksum included, better than that of SLOT? */
static bool
is_better (const struct recompressor *r, struct device *d, slot_t slot,
           size_t bytes)
{
  const struct size_classes *sizes = &r->pool->sizes;

  return bytes <= size_class_largest (sizes)
    && size_class_of (sizes, (uint32_t) bytes) < object_class (d, slot)
    && (r->req->threshold == 0 || bytes < r->req->threshold);
}

/* Compress the page in the scratch buffers.  Returns the first algorithm that
 * makes it smaller, and sets *LENGTH; 0 when none does.
 */
static unsigned
find_better (struct recompressor *r, struct device *d, slot_t slot,
             page_info info, size_t *length)
{
  struct scratch *scratch = &r->pool->scratch;

  for (unsigned p = first_priority (r, info); p <= last_priority (r); ++p) {
    *length = scratch_compress_page (scratch, p);
    if (*length != 0 && is_better (r, d, slot, *length + OBJECT_HEADER_SIZE))
      return p;
  }
  return 0;
}

/* No algorithm makes the page smaller: note that. */
static void
note_failure (struct recompressor *r, struct device *d, uint64_t index,
              page_info info)
{
  page_info tried = (page_info) (last_priority (r) << INFO_TRIED_SHIFT);
  bool by_any = first_priority (r, info) == 1
    && last_priority (r) == r->pool->scratch.count;

  page_unclaim (d, index, by_any ? tried | INFO_INCOMPRESSIBLE : tried,
                INFO_TRIED);
  r->result->incompressible += by_any;
}

/* Publish NEW, which algorithm P made. */
static void
publish_object (struct recompressor *r, struct device *d, uint64_t index,
                slot_t slot, page_info info, unsigned p, slot_t new)
{
  page_info now = (page_info) (info_age (info) | p << INFO_TRIED_SHIFT);
  uint32_t size = class_size (r->pool, object_bytes (d, slot));
  uint32_t new_size = class_size (r->pool, object_bytes (d, new));

  if (!page_replace (d, index, new, now)) {
    release_slot (d, new);
    return;
  }
  r->result->recompressed++;
  r->result->saved += size - new_size;
}

static int
recompress_page (struct recompressor *r, struct device *d, uint64_t index,
                 slot_t slot, page_info info)
{
  struct scratch *scratch = &r->pool->scratch;
  unsigned p = first_priority (r, info);
  size_t length;
  slot_t new;

  if (!page_claim (d, index, slot, scratch->object))
    return 0;
  r->result->tried++;
  if (decode_object (d, r->stream, slot, scratch->object, scratch->pages)
      == -1) {
    page_unclaim (d, index, 0, 0); /* a read will report the damage */
    return 0;
  }
  /* A page with the same content may have been recompressed before. */
  new = encode_shared (d, r->stream, scratch->pages, object_class (d, slot));
  if (new == SLOT_EMPTY) {
    p = find_better (r, d, slot, info, &length);
    if (p == 0) {
      note_failure (r, d, index, info);
      return 0;
    }
    if (encode_stored (d, scratch_page_id (scratch, p), scratch->pages,
                       scratch->out, (uint32_t) length, &new) == -1) {
      page_unclaim (d, index, 0, 0);
      return -1;
    }
  }
  publish_object (r, d, index, slot, info, p, new);
  return 0;
}

static bool
try_page (struct device *d, uint64_t index, slot_t slot, page_info info,
          void *opaque)
{
  struct recompressor *r = opaque;
  uint32_t bytes = object_bytes (d, slot);
  int done;

  if (slot_is_group (slot) || slot_is_same_stored (slot)
      || bytes < r->from || bytes >= r->to
      || first_priority (r, info) > last_priority (r))
    return true;
  r->stream = stream_get (&r->pool->streams);
  done = recompress_page (r, d, index, slot, info);
  if (done == -1)
    r->error = errno;
  stream_put (&r->pool->streams, r->stream);
  if (done == -1)
    return false;
  return r->req->max_pages == 0 || r->result->tried < r->req->max_pages;
}

static bool
wants_more (const struct recompressor *r, const struct job *job)
{
  return r->error == 0 && job_goes_on (job)
    && (r->req->max_pages == 0 || r->result->tried < r->req->max_pages);
}

static int
check_request (const struct pool *pool, const struct recompress_request *req)
{
  if (pool->scratch.count > 0 && req->priority <= pool->scratch.count)
    return 0;
  return fail_with (EINVAL);
}

int
pool_recompress (struct pool *pool, const struct recompress_request *req,
                 const struct job *job, struct recompress_result *result)
{
  uint32_t page_size = pool->sizes.page_size;
  struct recompressor r = { .pool = pool, .req = req, .result = result };

  *result = (struct recompress_result) { .tried = 0 };
  if (check_request (pool, req) == -1)
    return -1;

  MAINTENANCE_FOR_SCOPE (pool);
  r.to = page_size + 1;
  while (r.to > MAX (req->threshold, 1) && wants_more (&r, job)) {
    r.from = MAX (MAX (req->threshold, 1),
                  r.to > page_size / BANDS ? r.to - page_size / BANDS : 0);
    walk_selected (pool, &req->which, job, try_page, &r);
    r.to = r.from;
  }

  if (r.error == 0)
    return 0;
  return fail_with (r.error);
}
