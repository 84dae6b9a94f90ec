/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The algorithm is a greedy cover.  The worth of a segment is the sum, over
 * its strings, of the number of other pages that contain the string.  When a
 * segment is chosen, its strings become worth nothing.  So the worth of a
 * segment never rises: if the segment with the highest known worth is
 * computed again and has not changed, no other segment is worth more.
 */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/util.h"

#include "dictionary-train.h"

#define STRING_SIZE sizeof (uint64_t)
#define SEGMENT_SIZE 256
#define CELL_BITS 20
#define CELLS ((size_t) 1 << CELL_BITS)

/* The strings with one hash.  Strings that collide count as one string,
 * which costs less than telling them apart.
 */
struct cell {
  uint16_t pages;               /* number of pages that contain it */
  uint16_t stamp;               /* of the last page or segment with it */
};

struct candidate {
  uint32_t worth;               /* as last computed */
  uint32_t segment;             /* its number in the samples */
};

struct training {
  const uint8_t *samples;
  size_t count, page_size;
  struct cell *cells;
  uint16_t stamp;
  struct candidate *heap;       /* a binary heap, the best first */
  size_t candidates;
  bool (*go_on) (void *opaque);
  void *opaque;
  unsigned work;                /* segments since the last go_on */
  bool cancelled;
};

/* Segments between two calls of go_on: these take about a millisecond. */
#define WORK_BETWEEN 512

/* Count work on SEGMENTS segments, and call go_on from time to time.  Returns
 * false if the training was cancelled.
 */
static bool
account_work (struct training *t, unsigned segments)
{
  t->work += segments;
  if (t->work >= WORK_BETWEEN) {
    t->work = 0;
    t->cancelled = t->go_on && !t->go_on (t->opaque);
  }
  return !t->cancelled;
}

/* ---- strings ---- */

static size_t
segments_in (size_t count, size_t page_size)
{
  return count * (page_size / SEGMENT_SIZE);
}

/* Return the cell of the string at P, or NULL if it repeats one byte: every
 * codec compresses that well without a dictionary.
 */
static struct cell *
cell_of (struct training *t, const uint8_t *p)
{
  uint64_t s;

  memcpy (&s, p, sizeof s);
  if (s == (s << 8 | s >> 56))
    return NULL;
  return &t->cells[s * UINT64_C (0x9e3779b97f4a7c15) >> (64 - CELL_BITS)];
}

/* Set t->stamp to a value that no cell has. */
static void
next_stamp (struct training *t)
{
  if (++t->stamp != 0)
    return;
  for (size_t i = 0; i < CELLS; ++i)
    t->cells[i].stamp = 0;
  t->stamp = 1;
}

static void
count_page (struct training *t, const uint8_t *page)
{
  next_stamp (t);
  for (size_t at = 0; at + STRING_SIZE <= t->page_size; ++at) {
    struct cell *c = cell_of (t, page + at);

    if (c && c->stamp != t->stamp) {
      c->stamp = t->stamp;
      if (c->pages < UINT16_MAX)
        c->pages++;
    }
  }
}

static const uint8_t *
segment_at (const struct training *t, uint32_t segment)
{
  return t->samples + (size_t) segment * SEGMENT_SIZE;
}

static uint32_t
worth_of (struct training *t, uint32_t segment)
{
  const uint8_t *p = segment_at (t, segment);
  uint32_t worth = 0;

  next_stamp (t);
  for (size_t at = 0; at + STRING_SIZE <= SEGMENT_SIZE; ++at) {
    struct cell *c = cell_of (t, p + at);

    if (c && c->stamp != t->stamp) {
      c->stamp = t->stamp;
      worth += c->pages > 1 ? c->pages - 1U : 0;
    }
  }
  return worth;
}

static void
choose_segment (struct training *t, uint32_t segment, uint8_t *out)
{
  const uint8_t *p = segment_at (t, segment);

  memcpy (out, p, SEGMENT_SIZE);
  for (size_t at = 0; at + STRING_SIZE <= SEGMENT_SIZE; ++at) {
    struct cell *c = cell_of (t, p + at);

    if (c)
      c->pages = 0;
  }
}

/* ---- candidates ---- */

/* Move candidate I, whose worth has fallen, down to its place in the heap. */
static void
sift_down (struct training *t, size_t i)
{
  struct candidate moved = t->heap[i];

  for (;;) {
    size_t child = 2 * i + 1;

    if (child + 1 < t->candidates
        && t->heap[child + 1].worth > t->heap[child].worth)
      child++;
    if (child >= t->candidates || t->heap[child].worth <= moved.worth)
      break;
    t->heap[i] = t->heap[child];
    i = child;
  }
  t->heap[i] = moved;
}

/* Move the best segment to the top of the heap.  Returns false if no segment
 * is worth anything, or if the training was cancelled.
 */
static bool
find_best_segment (struct training *t)
{
  while (t->candidates > 0 && t->heap[0].worth > 0 && account_work (t, 1)) {
    uint32_t worth = worth_of (t, t->heap[0].segment);

    if (worth == t->heap[0].worth)
      return true;
    t->heap[0].worth = worth;
    sift_down (t, 0);
  }
  return false;
}

/* ---- training ---- */

static bool
count_all_pages (struct training *t)
{
  for (size_t i = 0; i < t->count; ++i) {
    if (!account_work (t, (unsigned) (t->page_size / SEGMENT_SIZE)))
      return false;
    count_page (t, t->samples + i * t->page_size);
  }
  return true;
}

static bool
make_heap (struct training *t)
{
  t->candidates = segments_in (t->count, t->page_size);
  for (size_t i = 0; i < t->candidates; ++i) {
    if (!account_work (t, 1))
      return false;
    t->heap[i] = (struct candidate) {
      .worth = worth_of (t, (uint32_t) i), .segment = (uint32_t) i,
    };
  }
  for (size_t i = t->candidates / 2; i-- > 0; )
    sift_down (t, i);
  return true;
}

/* Fill the SIZE bytes of OUT from their end.  Returns the offset at which the
 * content begins.
 */
static size_t
choose_segments (struct training *t, size_t size, uint8_t *out)
{
  size_t at = size;

  while (at >= SEGMENT_SIZE && find_best_segment (t)) {
    at -= SEGMENT_SIZE;
    choose_segment (t, t->heap[0].segment, out + at);
    t->heap[0].worth = 0;
    sift_down (t, 0);
  }
  return at;
}

static ssize_t
build_dictionary (struct training *t, size_t size, uint8_t *out)
{
  size_t at = size;

  if (count_all_pages (t) && make_heap (t))
    at = choose_segments (t, size, out);
  if (t->cancelled)
    return fail_with (ECANCELED);
  memmove (out, out + at, size - at);
  return (ssize_t) (size - at);
}

uint64_t
dictionary_train_memory (size_t count, size_t page_size)
{
  return CELLS * sizeof (struct cell)
    + segments_in (count, page_size) * sizeof (struct candidate);
}

ssize_t
dictionary_train (const void *samples, size_t count, size_t page_size,
                  size_t size, uint8_t *out, struct budget *budget,
                  bool (*go_on) (void *opaque), void *opaque)
{
  struct training t = {
    .samples = samples, .count = count, .page_size = page_size,
    .go_on = go_on, .opaque = opaque,
  };
  uint64_t memory = dictionary_train_memory (count, page_size);
  ssize_t length = -1;
  int err;

  if (budget_take (budget, memory) == -1)
    return -1;
  t.cells = calloc (CELLS, sizeof t.cells[0]);
  t.heap = malloc (MAX (1, segments_in (count, page_size))
                   * sizeof t.heap[0]);
  if (t.cells && t.heap)
    length = build_dictionary (&t, size, out);
  err = errno;
  free (t.heap);
  free (t.cells);
  budget_give (budget, memory);
  errno = err;
  return length;
}
