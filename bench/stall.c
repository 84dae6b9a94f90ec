/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long does a request wait while a large pool is compacted?  A class
 * has tens of thousands of zspages then, and none of its lists may be
 * walked while a request waits for the lock.
 *
 *   stall DATA [PAGES]
 *
 * The disk gets PAGES (1,000,000) pages, of which every second one is
 * trimmed, at random.  Then one thread writes and reads pages, first by
 * itself, then while another compacts.
 */

#include <config.h>

#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/util.h"
#include "lib/maintenance/compact.h"
#include "lib/store/devices.h"
#include "lib/store/pool.h"

#include "measure.h"

#define MOST 4000000            /* requests */
#define AT_REST 200000

struct bench {
  struct data data;
  struct pool *pool;
  struct device *d;
  uint64_t pages, prng;
  double *us[2];                /* of writes, of reads */
  size_t count;
  double took;                  /* seconds to compact */
  _Atomic bool done;
};

static void
must_write (struct bench *b, uint64_t index)
{
  if (device_write (b->d, data_page (&b->data,
                                     prng (&b->prng) % b->data.count),
                    DATA_PAGE, index * DATA_PAGE) == -1)
    err (EXIT_FAILURE, "device_write");
}

static void
must_read (struct bench *b, uint64_t index)
{
  uint8_t page[DATA_PAGE];

  if (device_read (b->d, page, DATA_PAGE, index * DATA_PAGE) == -1)
    err (EXIT_FAILURE, "device_read");
}

static void
open_and_fill (struct bench *b)
{
  struct pool_options options = {
    .geometry = { .page_size = DATA_PAGE, .checksum = true },
    .algorithm = { .codec = codecs[0], .level = codecs[0]->default_level },
  };

  b->pool = pool_open (&options);
  if (!b->pool || pool_start (b->pool) != ATTACH_OK
      || !(b->d = device_open (b->pool, "", b->pages * DATA_PAGE)))
    err (EXIT_FAILURE, "pool");
  for (uint64_t i = 0; i < b->pages; ++i)
    must_write (b, i);
  for (uint64_t i = 0; i < b->pages; ++i)
    if ((prng (&b->prng) & 1) != 0
        && device_zero (b->d, DATA_PAGE, i * DATA_PAGE) == -1)
      err (EXIT_FAILURE, "device_zero");
}

/* Write and read until END requests are done, or compaction is. */
static void
request (struct bench *b, size_t end)
{
  for (b->count = 0; b->count < end && !b->done; b->count++) {
    double start = now (), middle;

    must_write (b, prng (&b->prng) % b->pages);
    middle = now ();
    must_read (b, prng (&b->prng) % b->pages);
    b->us[0][b->count] = (middle - start) * 1e6;
    b->us[1][b->count] = (now () - middle) * 1e6;
  }
}

static void *
compact (void *opaque)
{
  struct bench *b = opaque;
  double start = now ();

  pool_compact (b->pool, NULL);
  b->took = now () - start;
  b->done = true;
  return NULL;
}

struct numbers {
  double p99, p999, max;
};

static struct numbers
numbers_of (double *us, size_t n)
{
  median (us, n);               /* sorts */
  return (struct numbers) { us[n * 99 / 100], us[n * 999 / 1000], us[n - 1] };
}

static void
report (const char *what, struct numbers rest, struct numbers work,
        double seconds)
{
  char title[64], details[160];

  snprintf (title, sizeof title, "%s, compacting: p99 / at rest", what);
  snprintf (details, sizeof details, "p99 %.0f, 99.9 %% %.0f, longest %.0f us"
            " in %.2f s; at rest %.0f, %.0f, %.0f", work.p99, work.p999,
            work.max, seconds, rest.p99, rest.p999, rest.max);
  table_row (title, work.p99 / rest.p99, AT_MOST, 3, details);
}

static void
measure (struct bench *b)
{
  static const char *const names[2] = { "writes", "reads" };
  struct numbers rest[2];
  pthread_t thread;

  request (b, AT_REST);
  for (int i = 0; i < 2; ++i)
    rest[i] = numbers_of (b->us[i], b->count);
  if (pthread_create (&thread, NULL, compact, b) != 0)
    errx (EXIT_FAILURE, "pthread_create");
  request (b, MOST);
  pthread_join (thread, NULL);
  for (int i = 0; i < 2; ++i)
    report (names[i], rest[i], numbers_of (b->us[i], b->count), b->took);
}

int
main (int argc, char *argv[])
{
  struct bench b = { .pages = 1000000, .prng = 1 };

  if (argc != 2 && argc != 3)
    errx (EXIT_FAILURE, "usage: stall DATA [PAGES]");
  b.data = data_open (argv[1], 0);
  if (argc == 3)
    b.pages = must_number ("PAGES", argv[2], 1);
  b.us[0] = must_alloc (MOST * sizeof (double));
  b.us[1] = must_alloc (MOST * sizeof (double));
  printf ("Requests while %.1f GB are compacted\n",
          (double) b.pages * DATA_PAGE / 1e9);
  table_head ();
  open_and_fill (&b);
  measure (&b);
  pool_close (b.pool);
  free (b.us[0]);
  free (b.us[1]);
  return EXIT_SUCCESS;
}
