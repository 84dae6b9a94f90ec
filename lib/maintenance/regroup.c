/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making groups of idle pages (group.h). */

#include <config.h>

#include <errno.h>

#include "lib/base/util.h"
#include "lib/codec/stream.h"
#include "lib/store/encode.h"
#include "lib/store/group.h"
#include "lib/store/page-claim.h"

#include "recompress.h"

/* Pages of neighbouring slots that may become groups. */
struct group_run {
  struct device *d;
  unsigned count;
  struct {
    uint64_t index;
    slot_t slot;
    page_info info;
    uint32_t cost;              /* bytes of memory it takes now */
  } pages[GROUP_PAGES_MAX];     /* as they lie in the scratch buffers */
};

struct grouper {
  struct pool *pool;
  unsigned priority;
  const struct job *job;
  struct recompress_result *result;
  int error;
};

/* A page that no algorithm makes smaller by itself may still gain from its
 * neighbours: it may have been compressed with the strongest algorithm
 * already.  But two objects of more than half a page hardly fit in one.
 */
static bool
is_hopeless (const struct device *d, slot_t slot, page_info info)
{
  return (info & INFO_GROUP_TRIED) != 0
    || ((info & INFO_INCOMPRESSIBLE) != 0
        && object_bytes (d, slot) > device_page_size (d) / 2);
}

/* Bytes of memory that the page at INDEX takes now, if it may be worth
 * grouping; otherwise 0.  A page of a group of which half is dead, or more,
 * takes its share of the group.
 */
static uint32_t
candidate_cost (struct device *d, uint64_t index, slot_t slot,
                page_info info)
{
  uint32_t size;
  unsigned live, pages;

  if (slot == SLOT_EMPTY || slot_is_huge (slot) || slot_is_same_stored (slot)
      || is_hopeless (d, slot, info))
    return 0;
  size = d->pool->sizes.classes[object_class (d, slot)].size;
  if (!slot_is_group (slot))
    return object_is_shared (&d->pool->objects, object_class (d, slot),
                             slot_offset (slot)) ? 0 : size;
  live = group_count_live (d, index, slot, &pages);
  return live > 0 && 2 * live <= pages ? size / live : 0;
}

/* Find the candidates of a leaf from slot FROM on that may be in one group, as
 * many as the scratch buffers have room for.  Returns the slot to continue
 * with.
 */
static unsigned
find_candidates (struct group_run *run, uint64_t first, unsigned from,
                 const slot_t *slots, const page_info *infos)
{
  unsigned max = group_pages_max (&run->d->pool->sizes), i;
  unsigned end = from - from % GROUP_PAGES_MAX + GROUP_PAGES_MAX;

  run->count = 0;
  for (i = from; i < end && run->count < max; ++i) {
    uint32_t cost = candidate_cost (run->d, first + i, slots[i], infos[i]);

    if (cost == 0)
      continue;
    run->pages[run->count].index = first + i;
    run->pages[run->count].slot = slots[i];
    run->pages[run->count].info = infos[i];
    run->pages[run->count++].cost = cost;
  }
  return i;
}

/* Claim the pages of a run and put them into the scratch buffers, one behind
 * the other.  Pages that can't be claimed or decoded are removed from the run.
 */
static void
gather_pages (struct grouper *g, struct group_run *run)
{
  struct scratch *scratch = &g->pool->scratch;
  uint32_t page_size = g->pool->sizes.page_size;
  struct stream *stream = stream_get (&g->pool->streams);
  unsigned kept = 0;

  for (unsigned i = 0; i < run->count; ++i) {
    uint64_t index = run->pages[i].index;
    slot_t slot = run->pages[i].slot;

    if (!page_claim (run->d, index, slot, scratch->object))
      continue;
    if (decode_object (run->d, stream, slot, scratch->object,
                       scratch->pages + (size_t) kept * page_size) == -1) {
      page_unclaim (run->d, index, 0, 0);
      continue;
    }
    run->pages[kept++] = run->pages[i];
  }
  run->count = kept;
  stream_put (&g->pool->streams, stream);
}

/* Compress pages of the run, from FROM on, to *LENGTH bytes.  Returns how many
 * pages fit in one object, or 0 when not even two do.
 */
static unsigned
find_fit (struct grouper *g, const struct group_run *run, unsigned from,
          size_t *length)
{
  uint32_t page_size = g->pool->sizes.page_size;
  size_t room = size_class_largest (&g->pool->sizes)
                - sizeof (struct group_header);
  unsigned n = MIN (run->count - from, group_pages_max (&g->pool->sizes));

  while (n >= 2) {
    unsigned next;

    *length = scratch_compress (&g->pool->scratch, g->priority,
                                (size_t) from * page_size,
                                (size_t) n * page_size);
    if (*length == 0)
      return 0;
    if (*length <= room)
      return n;
    next = (unsigned) (n * room / *length);
    n = MIN (next, n - 1);
  }
  return 0;
}

/* Count the bytes that a group of N pages saves.  Returns false if it saves
 * none.
 */
static bool
count_savings (const struct grouper *g, const struct group_run *run,
               unsigned from, unsigned n, size_t length)
{
  const struct size_classes *sizes = &g->pool->sizes;
  uint32_t bytes = (uint32_t) (length + sizeof (struct group_header));
  uint64_t now = 0, then = sizes->classes[size_class_of (sizes, bytes)].size;

  for (unsigned i = from; i < from + n; ++i)
    now += run->pages[i].cost;
  if (then >= now)
    return false;
  g->result->saved += now - then;
  return true;
}

/* Publish a group of N pages, which is compressed in the scratch buffers. */
static int
publish_group (struct grouper *g, const struct group_run *run, unsigned from,
               unsigned n, size_t length)
{
  struct scratch *scratch = &g->pool->scratch;
  unsigned codec = scratch->algorithms[g->priority - 1].codec->id;
  page_info tried = (page_info) (g->priority << INFO_TRIED_SHIFT);
  slot_t group;

  if (group_build (run->d, codec,
                   scratch->pages + (size_t) from * g->pool->sizes.page_size,
                   n, scratch->out, (uint32_t) length, &group) == -1)
    return -1;
  for (unsigned i = 0; i < n; ++i) {
    slot_t slot = group_slot (group, i);
    page_info age = info_age (run->pages[from + i].info);

    if (page_replace (run->d, run->pages[from + i].index, slot,
                      (page_info) (age | tried)))
      g->result->recompressed++;
    else
      release_slot (run->d, slot);
  }
  group_finish (run->d, group);
  return 0;
}

/* Make groups of the pages in the scratch buffers. */
static int
group_run (struct grouper *g, const struct group_run *run)
{
  unsigned from = 0, n;
  size_t length;

  while (from < run->count) {
    n = find_fit (g, run, from, &length);
    if (n > 0 && count_savings (g, run, from, n, length)) {
      if (publish_group (g, run, from, n, length) == -1)
        return -1;
      from += n;
      continue;
    }
    /* The last page alone may get a neighbour later. */
    page_unclaim (run->d, run->pages[from].index,
                  run->count - from >= 2 ? INFO_GROUP_TRIED : 0, 0);
    from++;
  }
  return 0;
}

static bool
group_leaf (struct device *d, uint64_t first, const slot_t slots[LEAF_SLOTS],
            const page_info infos[LEAF_SLOTS], void *opaque)
{
  struct grouper *g = opaque;
  struct group_run run = { .d = d };

  for (unsigned i = 0; i < LEAF_SLOTS; ) {
    if (!job_goes_on (g->job))
      return false;
    i = find_candidates (&run, first, i, slots, infos);
    if (run.count < 2)
      continue;
    gather_pages (g, &run);
    g->result->tried += run.count;
    if (group_run (g, &run) == -1) {
      g->error = errno;
      return false;
    }
  }
  return true;
}

int
pool_group (struct pool *pool, const struct recompress_request *req,
            const struct job *job, struct recompress_result *result)
{
  struct grouper g = {
    .pool = pool,
    .priority = req->priority != 0 ? req->priority : pool->scratch.count,
    .job = job,
    .result = result,
  };

  *result = (struct recompress_result) { .tried = 0 };
  if (g.priority == 0 || g.priority > pool->scratch.count)
    return fail_with (EINVAL);
  if (group_pages_max (&pool->sizes) < 2)
    return 0;

  MAINTENANCE_FOR_SCOPE (pool);
  walk_leaves (pool, &req->which, job, group_leaf, &g);
  if (g.error == 0)
    return 0;
  return fail_with (g.error);
}
