/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compare the disk after a kill with what was acknowledged or in flight. */

#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nbd-kill.h"

static void
describe (const struct page *page, uint64_t index, const uint8_t *found)
{
  uint32_t same_old = 0, same_new = 0;

  for (uint32_t i = 0; i < page_size; ++i) {
    same_old += found[i] == page->acked[i];
    same_new += found[i] == page->pending[i];
  }
  fail ("page %" PRIu64 " (%s): %" PRIu32 " of %" PRIu32
        " bytes are as acknowledged, %" PRIu32 " as pending",
        index, page->in_flight ? "in flight" : "at rest",
        same_old, page_size, same_new);
}

static void
check_page (uint64_t index, const uint8_t *found)
{
  struct page *page = &pages[index];

  if (memcmp (found, page->acked, page_size) != 0) {
    if (!page->in_flight || memcmp (found, page->pending, page_size) != 0)
      describe (page, index, found);
    memcpy (page->acked, found, page_size);
    in_flight_seen++;
  }
  page->in_flight = false;
}

static bool
is_zero (const uint8_t *p)
{
  return p[0] == 0 && memcmp (p, p + 1, page_size - 1) == 0;
}

struct extents_check {
  unsigned export;
  uint64_t next;                /* offset */
};

static int
check_extents (void *opaque, const char *context, uint64_t offset,
               uint32_t *entries, size_t n, int *error)
{
  struct extents_check *c = opaque;

  (void) context;
  (void) error;
  for (size_t i = 0; i < n; i += 2) {
    for (uint64_t o = offset; o < offset + entries[i]; o += page_size)
      if (entries[i + 1] != 0
          && !is_zero (pages[page_at (c->export, o)].acked))
        fail ("block status calls page %" PRIu64 " zero",
              page_at (c->export, o));
    offset += entries[i];
  }
  c->next = offset;
  return 0;
}

void
check_disk (struct nbd_handle *nbd, unsigned export)
{
  size_t chunk = RUN * page_size;
  uint8_t *buf = allocate (chunk);
  struct extents_check c = { .export = export };

  for (uint64_t i = 0; i < n_pages; i += RUN) {
    if (export_of (i) != export)
      continue;
    if (nbd_pread (nbd, buf, chunk, offset_of (i), 0) == -1)
      fail ("read of page %" PRIu64 ": %s", i, nbd_get_error ());
    for (unsigned k = 0; k < RUN; ++k)
      check_page (i + k, buf + k * page_size);
  }
  free (buf);
  while (c.next < disk_size)
    if (nbd_block_status (nbd, disk_size - c.next, c.next,
                          (nbd_extent_callback) {
                            .callback = check_extents, .user_data = &c,
                          }, 0) == -1)
      fail ("block status: %s", nbd_get_error ());
}
