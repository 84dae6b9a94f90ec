/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the index of fingerprints costs a disk without duplicates: each
 * page written looks for its like in vain and takes the place of another
 * page, anywhere.
 */

#include <config.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/store/dedup.h"

#include "measure.h"

#define SECONDS 1.0
#define BATCH 10000             /* writes between looks at the clock */

/* 7 % of the 5 µs in which lz4 compresses a page. */
#define TARGET_NS 350
/* 1.5 % of what a page of real memory takes stored. */
#define TARGET_BYTES 22.95

struct disk {
  struct dedup index;
  uint32_t pages, made;
  slot_t *slots;
  uint32_t *fps;
  uint64_t prng;
};

struct write {
  uint32_t page, fp;
};

static struct write
choose (struct disk *d)
{
  struct write w = {
    .page = (uint32_t) (prng (&d->prng) % d->pages),
    .fp = prng (&d->prng) & ((1U << SLOT_SUM_BITS) - 1),
  };

  /* The disk's own memory is not what is measured. */
  __builtin_prefetch (&d->slots[w.page]);
  __builtin_prefetch (&d->fps[w.page]);
  return w;
}

static void
write_page (struct disk *d, struct write w)
{
  slot_t slot = slot_stored ((uint64_t) d->made++ * SLOT_STORED_UNIT, 1500, 1);
  slot_t other = dedup_take (&d->index, w.fp, 0, NULL, NULL);

  /* As when comparing found that it only has the fingerprint. */
  if (other != SLOT_EMPTY)
    dedup_drop (&d->index, w.fp, other);
  if (dedup_insert (&d->index, w.fp, 0, slot) == -1)
    err (EXIT_FAILURE, "dedup_insert");
  if (d->slots[w.page] != SLOT_EMPTY
      && dedup_drop (&d->index, d->fps[w.page], d->slots[w.page])
         == DEDUP_SHARED)
    errx (EXIT_FAILURE, "an object is shared");
  d->slots[w.page] = slot;
  d->fps[w.page] = w.fp;
}

/* Seconds of this process, not of others that run, too. */
static double
cpu_time (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

/* Nanoseconds a write.  With PREFETCH the index is told of each as long
 * before as another takes, much less than compressing does.
 */
static double
overwrite (struct disk *d, bool prefetch)
{
  double start = cpu_time (), end;
  uint64_t writes = 0;
  struct write w[3] = { choose (d), choose (d) };

  do {
    for (unsigned i = 0; i < BATCH; ++i) {
      w[2] = choose (d);
      if (prefetch) {
        dedup_prefetch (&d->index, w[1].fp);
        dedup_prefetch (&d->index, d->fps[w[1].page]);
      }
      write_page (d, w[0]);
      w[0] = w[1];
      w[1] = w[2];
    }
    writes += BATCH;
    end = cpu_time ();
  } while (end - start < SECONDS);
  return (end - start) / (double) writes * 1e9;
}

static void
measure (uint32_t pages)
{
  struct disk d = { .pages = pages, .prng = 1 };
  struct budget budget = { .limit = 0 };
  struct dedup_stats st;
  char details[64];
  double cold, warm;

  d.slots = must_alloc (pages * sizeof d.slots[0]);
  d.fps = must_alloc (pages * sizeof d.fps[0]);
  if (dedup_open (&d.index, &budget, 0) == -1)
    err (EXIT_FAILURE, "dedup_open");
  for (uint32_t page = 0; page < pages; ++page) {
    d.slots[page] = SLOT_EMPTY;
    write_page (&d, (struct write) { page, choose (&d).fp });
  }
  cold = overwrite (&d, false);
  warm = overwrite (&d, true);
  dedup_get_stats (&d.index, &st);
  snprintf (details, sizeof details, "%u pages", pages);
  table_row ("index, a write, ns", cold, AT_MOST, TARGET_NS, details);
  table_row ("index, a write, prefetched, ns", warm, AT_MOST, TARGET_NS,
             details);
  table_row ("index, a page, bytes", (double) st.bytes / (double) st.nodes,
             AT_MOST, TARGET_BYTES, details);
  dedup_close (&d.index);
  free (d.slots);
  free (d.fps);
}

int
main (void)
{
  table_head ();
  measure (20000);
  measure (50000);
  measure (2000000);
  measure (10000000);
  return EXIT_SUCCESS;
}
