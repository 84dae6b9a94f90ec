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

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libnbd.h>

#include "prng.h"

#define CONNECTIONS 2                   /* of each thread */
#define DEPTH 8
#define LENGTH_MAX (256 * 1024)
#define COMPARE_EVERY 100               /* batches */

struct segment {
  uint64_t offset;
  uint32_t length;
  unsigned owner;
};

enum kind { WRITE, READ, TRIM, ZERO, CACHE, FLUSH, KINDS };
static const char *const kind_names[] = {
  "write", "read", "trim", "zero", "cache", "flush",
};

struct op {
  enum kind kind;
  uint32_t flags;
  uint64_t offset;
  uint32_t length;
  uint8_t *data;
  struct nbd_handle *nbd;
  int64_t cookie;
};

struct worker {
  unsigned id;
  uint64_t random;
  struct nbd_handle *disk[CONNECTIONS];
  struct nbd_handle *oracle;
  struct op ops[DEPTH];
  uint8_t *expected;            /* LENGTH_MAX */
  unsigned batch;
  uint64_t requests;
};

static uint64_t seed = 1, disk_size;
static unsigned batches = 400, threads = 4;
static uint32_t page_size = 4096;
static const char *disk_uri, *oracle_uri;
static struct segment *segments;
static size_t n_segments;
static pthread_barrier_t barrier;

static void __attribute__ ((noreturn, format (printf, 1, 2)))
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

static void *
allocate (size_t size)
{
  void *p = malloc (size);

  if (!p)
    fail ("malloc: %m");
  return p;
}

static uint64_t
min (uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

static uint64_t
max (uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

/* ---- random ---- */

/* From 1 to LIMIT, each order of magnitude as likely as the others, whole
 * pages and a byte more or less more likely than the rest.
 */
static uint32_t
pick_length (uint64_t *random, uint32_t limit)
{
  uint64_t length;

  switch (below (random, 4)) {
  case 0:
    length = 1 + below (random, limit);
    break;
  case 1:
    length = (1 + below (random, 8)) * page_size + below (random, 3) - 1;
    break;
  default:
    length = 1 + (below (random, LENGTH_MAX) >> below (random, 19));
  }
  return (uint32_t) min (length, limit);
}

/* ---- data ---- */

static void
fill_words (uint8_t *p, uint32_t length, uint64_t offset, uint64_t word)
{
  for (uint32_t i = 0; i < length; ++i)
    p[i] = (uint8_t) (word >> (offset + i) % 8 * 8);
}

static void
fill_random (uint64_t *random, uint8_t *p, uint32_t length)
{
  for (uint32_t i = 0; i < length; ++i)
    p[i] = (uint8_t) next (random);
}

static void
fill_text (uint64_t *random, uint8_t *p, uint32_t length)
{
  static const char *const words[] = {
    "page ", "of ", "memory ", "the ", "swap ", "disk ", "\n", "0x7ffd",
    "compressed ", "and ", "then ", "freed ", "    ", "return ",
  };

  while (length > 0) {
    const char *word = words[below (random, sizeof words / sizeof words[0])];
    uint32_t n = (uint32_t) min (strlen (word), length);

    memcpy (p, word, n);
    p += n;
    length -= n;
  }
}

/* Where it covers whole pages, they are as others, somewhere, are. */
static void
fill_as_elsewhere (uint64_t *random, uint8_t *p, uint32_t length,
                   uint64_t offset)
{
  uint64_t text = below (random, 16);
  uint8_t page[page_size];

  fill_text (&text, page, page_size);
  for (uint32_t i = 0; i < length; ++i)
    p[i] = page[(offset + i) % page_size];
}

/* A word of the kinds that a page may repeat. */
static uint64_t
pick_word (uint64_t *random)
{
  uint64_t word = next (random);

  switch (below (random, 5)) {
  case 0: return 0;
  case 1: return word & 0xff;
  case 2: return UINT64_MAX - (word & 0xffff);
  case 3: return word >> 8;
  default: return word;
  }
}

static void
fill (uint64_t *random, uint8_t *p, uint32_t length, uint64_t offset)
{
  switch (below (random, 9)) {
  case 0:
    memset (p, 0, length);
    break;
  case 1:
    fill_words (p, length, offset, pick_word (random));
    break;
  case 2:                       /* ... but for one byte */
    fill_words (p, length, offset, pick_word (random));
    p[below (random, 2) ? length - 1 : below (random, length)] ^= 1;
    break;
  case 3:
    fill_random (random, p, length);
    break;
  case 4:
    fill_as_elsewhere (random, p, length, offset);
    break;
  case 5:
  case 6:
    fill_text (random, p, length);
    break;
  default:                      /* some of everything */
    while (length > 0) {
      uint32_t n = (uint32_t) min (length, 1 + below (random, 2 * page_size));

      switch (below (random, 3)) {
      case 0: fill_random (random, p, n); break;
      case 1: fill_text (random, p, n); break;
      default: fill_words (p, n, offset, pick_word (random));
      }
      p += n;
      offset += n;
      length -= n;
    }
  }
}

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

static void
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

static void
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

/* ---- block status ---- */

struct extents {
  uint64_t offset, end;         /* told so far */
  unsigned n;
  uint64_t starts[4096];
  uint64_t ends[4096];
  uint32_t flags[4096];
};

static int
note_extents (void *opaque, const char *context, uint64_t offset,
              uint32_t *entries, size_t n, int *error)
{
  struct extents *e = opaque;

  (void) error;
  if (strcmp (context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
    return 0;
  if (offset != e->end || n == 0)
    fail ("block status of %" PRIu64 " begins at %" PRIu64, e->end, offset);
  for (size_t i = 0; i < n; i += 2) {
    if (entries[i] == 0)
      fail ("an extent at %" PRIu64 " is empty", e->end);
    if (e->n < sizeof e->flags / sizeof e->flags[0]) {
      e->starts[e->n] = e->end;
      e->ends[e->n] = e->end + entries[i];
      e->flags[e->n++] = entries[i + 1];
    }
    e->end += entries[i];
  }
  return 0;
}

static struct extents *
get_extents (struct nbd_handle *nbd, uint64_t offset, uint64_t length,
             uint32_t flags)
{
  struct extents *e = allocate (sizeof *e);

  e->offset = e->end = offset;
  e->n = 0;
  if (nbd_block_status (nbd, length, offset,
                        (nbd_extent_callback) {
                          .callback = note_extents, .user_data = e,
                        }, flags) == -1)
    fail ("block status of %" PRIu64 " bytes at %" PRIu64 ": %s",
          length, offset, nbd_get_error ());
  if (e->n == 0)
    fail ("block status of %" PRIu64 " says nothing", offset);
  if ((flags & LIBNBD_CMD_FLAG_REQ_ONE) != 0
      && (e->n != 1 || e->end > offset + length))
    fail ("block status of one extent at %" PRIu64 ": %u, up to %" PRIu64,
          offset, e->n, e->end);
  return e;
}

/* The bytes of [OFFSET, END) that worker ID owns, all of them if it is
 * -1, are zeroes to the oracle.
 */
static void
check_zeroes (struct nbd_handle *oracle, int id, uint64_t offset, uint64_t end)
{
  static _Thread_local uint8_t buf[LENGTH_MAX];

  for (size_t i = 0; i < n_segments && segments[i].offset < end; ++i) {
    uint64_t from = max (offset, segments[i].offset);
    uint64_t to = min (end, segments[i].offset + segments[i].length);

    if (from >= to || (id != -1 && segments[i].owner != (unsigned) id))
      continue;
    while (from < to) {
      uint32_t n = (uint32_t) min (to - from, sizeof buf);

      if (nbd_pread (oracle, buf, n, from, 0) == -1)
        fail ("oracle: %s", nbd_get_error ());
      for (uint32_t b = 0; b < n; ++b)
        if (buf[b] != 0)
          fail ("block status says that byte %" PRIu64 " is zero, it is %02x",
                from + b, buf[b]);
      from += n;
    }
  }
}

static void
check_extents (const struct extents *e, struct nbd_handle *oracle, int id)
{
  for (unsigned i = 0; i < e->n; ++i)
    if ((e->flags[i] & (LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO)) != 0)
      check_zeroes (oracle, id, e->starts[i], min (e->ends[i], disk_size));
}

static void
one_block_status (struct worker *w)
{
  uint64_t offset = below (&w->random, disk_size);
  uint64_t length = min (1 + below (&w->random, 4 * LENGTH_MAX),
                         disk_size - offset);
  uint32_t flags = below (&w->random, 4) == 0 ? LIBNBD_CMD_FLAG_REQ_ONE : 0;
  struct extents *e = get_extents (w->disk[below (&w->random, CONNECTIONS)],
                                   offset, length, flags);

  check_extents (e, w->oracle, (int) w->id);
  free (e);
  w->requests++;
}

/* A read across everybody's bytes; own ones must be right. */
static void
one_wide_read (struct worker *w)
{
  uint32_t length = (uint32_t) min (1 + below (&w->random, LENGTH_MAX),
                                    disk_size);
  uint64_t offset = below (&w->random, disk_size - length + 1);
  struct op *op = &w->ops[0];

  if (nbd_pread (w->disk[0], op->data, length, offset, 0) == -1
      || nbd_pread (w->oracle, w->expected, length, offset, 0) == -1)
    fail ("read of %" PRIu32 " at %" PRIu64 ": %s", length, offset,
          nbd_get_error ());
  for (size_t i = 0; i < n_segments; ++i) {
    uint64_t from = max (offset, segments[i].offset);
    uint64_t to = min (offset + length,
                       segments[i].offset + segments[i].length);

    if (from < to && segments[i].owner == w->id
        && memcmp (op->data + (from - offset), w->expected + (from - offset),
                   to - from) != 0)
      fail ("thread %u, batch %u: a wide read differs in %" PRIu64 "-%" PRIu64,
            w->id, w->batch, from, to);
  }
  w->requests++;
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
