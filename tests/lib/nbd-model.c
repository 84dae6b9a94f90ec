/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random requests of many threads to a disk, and the same to an oracle.
 *
 *   nbd-model [-s SEED] [-n BATCHES] [-t THREADS] [-p PAGE_SIZE] URI ORACLE
 *   nbd-model -c URI ORACLE      compare two disks, and do nothing else
 *
 * The disk is cut into segments of all lengths, most of which begin and
 * end within pages, and dealt out to the threads.  A thread changes its
 * own bytes only, so what they are is known without knowing who came
 * first; the pages they lie in are everybody's.
 *
 * Each thread has several connections, and keeps requests on different
 * segments in flight on all of them.  When they are answered the oracle
 * gets the same, one by one.  From the seed each thread's requests are
 * the same again; how threads interleave is not.
 */

#include <config.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "nbd-model.h"

#define COMPARE_EVERY 100               /* batches */

uint64_t seed = 1, disk_size;
static unsigned batches = 400;
unsigned threads = 4;
uint32_t page_size = 4096;
static const char *disk_uri, *oracle_uri;
struct segment *segments;
size_t n_segments;
static pthread_barrier_t barrier;

void
fail (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  fprintf (stderr, "nbd-model: SEED=%" PRIu64 ": ", seed);
  vfprintf (stderr, fmt, args);
  fputc ('\n', stderr);
  va_end (args);
  _exit (1);
}

void *
allocate (size_t size)
{
  void *p = malloc (size);

  if (!p)
    fail ("malloc: %m");
  return p;
}

/* ---- the whole disk ---- */

static void
compare_all (struct nbd_handle *disk, struct nbd_handle *oracle)
{
  uint8_t *a = allocate (LENGTH_MAX), *b = allocate (LENGTH_MAX);

  for (uint64_t offset = 0; offset < disk_size; offset += LENGTH_MAX) {
    uint32_t n = (uint32_t) min (LENGTH_MAX, disk_size - offset);

    if (nbd_pread (disk, a, n, offset, 0) == -1
        || nbd_pread (oracle, b, n, offset, 0) == -1)
      fail ("reading all, at %" PRIu64 ": %s", offset, nbd_get_error ());
    for (uint32_t i = 0; i < n; ++i)
      if (a[i] != b[i])
        fail ("the disks differ: byte %" PRIu64 " is %02x, not %02x",
              offset + i, a[i], b[i]);
  }
  free (a);
  free (b);

  for (uint64_t offset = 0; offset < disk_size; ) {
    struct extents *e = get_extents (disk, offset,
                                     min (disk_size - offset, UINT32_MAX), 0);

    check_extents (e, oracle, -1);
    offset = e->end;
    free (e);
  }
}

static struct nbd_handle *
connect_to (const char *uri)
{
  struct nbd_handle *nbd = nbd_create ();

  if (!nbd
      || nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1
      || nbd_connect_uri (nbd, uri) == -1)
    fail ("%s: %s", uri, nbd_get_error ());
  return nbd;
}

static void
compare_all_anew (void)
{
  struct nbd_handle *disk = connect_to (disk_uri);
  struct nbd_handle *oracle = connect_to (oracle_uri);

  compare_all (disk, oracle);
  nbd_close (disk);
  nbd_close (oracle);
}

static void *
work (void *opaque)
{
  struct worker *w = opaque;

  for (w->batch = 0; w->batch < batches; ++w->batch) {
    one_batch (w);
    if (below (&w->random, 4) == 0)
      one_block_status (w);
    if (below (&w->random, 4) == 0)
      one_wide_read (w);
    if (w->batch % COMPARE_EVERY == COMPARE_EVERY - 1) {
      pthread_barrier_wait (&barrier);
      if (w->id == 0)
        compare_all (w->disk[0], w->oracle);
      pthread_barrier_wait (&barrier);
    }
  }
  return NULL;
}

static struct worker *
new_worker (unsigned id)
{
  struct worker *w = calloc (1, sizeof *w);

  if (!w)
    fail ("calloc: %m");
  w->id = id;
  w->random = seed + (id + 1) * UINT64_C (0x123456789abcdef);
  for (unsigned i = 0; i < CONNECTIONS; ++i)
    w->disk[i] = connect_to (disk_uri);
  w->oracle = connect_to (oracle_uri);
  w->expected = allocate (LENGTH_MAX);
  for (unsigned i = 0; i < DEPTH; ++i)
    w->ops[i].data = allocate (LENGTH_MAX);
  return w;
}

static void
free_worker (struct worker *w)
{
  for (unsigned i = 0; i < CONNECTIONS; ++i)
    nbd_close (w->disk[i]);
  nbd_close (w->oracle);
  free (w->expected);
  for (unsigned i = 0; i < DEPTH; ++i)
    free (w->ops[i].data);
  free (w);
}

static void
run_workers (void)
{
  struct worker *workers[threads];
  pthread_t ids[threads];
  uint64_t requests = 0;

  pthread_barrier_init (&barrier, NULL, threads);
  for (unsigned i = 0; i < threads; ++i)
    workers[i] = new_worker (i);
  for (unsigned i = 0; i < threads; ++i)
    if (pthread_create (&ids[i], NULL, work, workers[i]) != 0)
      fail ("pthread_create");
  for (unsigned i = 0; i < threads; ++i) {
    pthread_join (ids[i], NULL);
    requests += workers[i]->requests;
    free_worker (workers[i]);
  }
  pthread_barrier_destroy (&barrier);
  printf ("%" PRIu64 " requests\n", requests);
}

/* Trimmed as a whole, in odd parts, a disk is one hole. */
static void
trim_all (void)
{
  struct nbd_handle *disk = connect_to (disk_uri);
  struct nbd_handle *oracle = connect_to (oracle_uri);
  struct extents *e;

  for (uint64_t offset = 0, n; offset < disk_size; offset += n) {
    n = min (disk_size - offset, 64 * (uint64_t) LENGTH_MAX);
    if (nbd_trim (disk, n, offset, 0) == -1
        || nbd_zero (oracle, n, offset, 0) == -1)
      fail ("trimming all: %s", nbd_get_error ());
  }
  compare_all (disk, oracle);
  e = get_extents (disk, 0, min (disk_size, UINT32_MAX), 0);
  if (e->n != 1
      || e->flags[0] != (LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO)
      || e->end < min (disk_size, UINT32_MAX / 2))
    fail ("a trimmed disk is no hole: %u extents, flags %" PRIu32, e->n,
          e->flags[0]);
  free (e);
  nbd_close (disk);
  nbd_close (oracle);
}

int
main (int argc, char *argv[])
{
  bool compare_only = false, trim = false;
  struct nbd_handle *disk;
  int c;

  while ((c = getopt (argc, argv, "s:n:t:p:cT")) != -1)
    switch (c) {
    case 's': seed = strtoull (optarg, NULL, 0); break;
    case 'n':
      if (*optarg)
        batches = (unsigned) atoi (optarg);
      break;
    case 't': threads = (unsigned) atoi (optarg); break;
    case 'p': page_size = (uint32_t) atoi (optarg); break;
    case 'c': compare_only = true; break;
    case 'T': trim = true; break;
    default: return 2;
    }
  if (argc - optind != 2 || threads == 0)
    return 2;
  disk_uri = argv[optind];
  oracle_uri = argv[optind + 1];

  disk = connect_to (disk_uri);
  disk_size = (uint64_t) nbd_get_size (disk);
  nbd_close (disk);
  cut_segments ();
  if (!compare_only)
    run_workers ();
  compare_all_anew ();
  if (trim)
    trim_all ();
  free (segments);
  return 0;
}
