/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store alone, beside a bare loop of the same codec over the same
 * pages: what do slots, checksums, object memory and locks cost?
 *
 * A ratio is the time of the bare loop over the time of the store; 1.0
 * would be a store that costs nothing.  The machine may be busy with
 * other things, so both sides take turns every few milliseconds, and
 * the ratio of a round is that of the sums of its turns.  In its turn
 * each side works on another part of the data, half of it away, so that
 * neither finds the other's pages in the cache; a round takes both
 * through all of it.
 *
 * "quiet" is the same ratio with the shortest time that each turn ever
 * took, summed up: what disturbs only some of the rounds is not in it.
 */

#include <config.h>

#include <err.h>
#include <float.h>
#include <getopt.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/os.h"
#include "lib/base/util.h"
#include "lib/codec/stream.h"
#include "lib/maintenance/stats.h"
#include "lib/store/devices.h"
#include "lib/store/pool.h"
#include "lib/store/same.h"

#include "measure.h"

#define TURN 2000               /* pages one side does in its turn */
#define SEED 1

struct packed_page {
  uint64_t offset;
  uint32_t length;
};

struct bench {
  struct data data;
  struct algorithm algorithm;
  bool checksum;
  size_t rounds;                /* of each comparison, at most ... */
  double seconds;               /* ... and not begun after that */
  struct pool *pool;
  struct device *device;
  uint8_t *packed;              /* what the bare read loop decompresses */
  struct packed_page *index;
  uint32_t *order;              /* of reads */
};

/* What one thread needs to run bare loops. */
struct runner {
  struct bench *b;
  void *compressor, *decompressor;
  uint8_t *out, *page;
};

/* A side of a comparison.  RUN does pages FIRST up to END, counted in
 * the order of the side.  Page number i of the data lies at page
 * i + SHIFT of the disk: with another shift each round, what is written
 * has another size than what it replaces.
 */
struct side {
  void (*run) (struct runner *r, const struct side *side,
               size_t first, size_t end);
  uint64_t shift;
};

/* ---- the four loops ---- */

static void
bare_write (struct runner *r, const struct side *side, size_t first,
            size_t end)
{
  const struct algorithm *a = &r->b->algorithm;

  (void) side;
  for (size_t i = first; i < end; ++i)
    if (a->codec->compress (r->compressor, a->level,
                            data_page (&r->b->data, i), DATA_PAGE, r->out)
        == 0)
      errx (EXIT_FAILURE, "%s: can't compress", a->codec->name);
}

static void
store_write (struct runner *r, const struct side *side, size_t first,
             size_t end)
{
  const struct data *data = &r->b->data;

  for (size_t i = first; i < end; ++i)
    if (device_write (r->b->device, data_page (data, i), DATA_PAGE,
                      (i + side->shift) % data->count * DATA_PAGE) == -1)
      err (EXIT_FAILURE, "device_write");
}

static void
bare_read (struct runner *r, const struct side *side, size_t first, size_t end)
{
  const struct bench *b = r->b;
  const struct codec *codec = b->algorithm.codec;

  (void) side;
  for (size_t i = first; i < end; ++i) {
    const struct packed_page *p = &b->index[b->order[i]];

    if (codec->decompress (r->decompressor, b->packed + p->offset, p->length,
                           r->page, DATA_PAGE) == -1)
      errx (EXIT_FAILURE, "%s: can't decompress", codec->name);
  }
}

static void
store_read (struct runner *r, const struct side *side, size_t first,
            size_t end)
{
  const struct bench *b = r->b;

  for (size_t i = first; i < end; ++i)
    if (device_read (b->device, r->page, DATA_PAGE,
                     (b->order[i] + side->shift) % b->data.count * DATA_PAGE)
        == -1)
      err (EXIT_FAILURE, "device_read");
}

/* ---- making and unmaking ---- */

static void
runner_init (struct runner *r, struct bench *b)
{
  const struct codec *codec = b->algorithm.codec;
  size_t bytes;

  r->b = b;
  r->compressor
    = codec->compressor_new (b->algorithm.level, DATA_PAGE, &bytes);
  r->decompressor = codec->decompressor_new
    ? codec->decompressor_new (&bytes) : NULL;
  if (!r->compressor || (codec->decompressor_new && !r->decompressor))
    err (EXIT_FAILURE, "%s", codec->name);
  r->out = must_alloc (codec->bound (DATA_PAGE));
  r->page = aligned_alloc (DATA_PAGE, DATA_PAGE);
  if (!r->page)
    err (EXIT_FAILURE, "aligned_alloc");
}

static void
runner_free (struct runner *r)
{
  const struct codec *codec = r->b->algorithm.codec;

  codec->compressor_free (r->compressor);
  if (codec->decompressor_free)
    codec->decompressor_free (r->decompressor);
  free (r->out);
  free (r->page);
}

static struct pool *
new_pool (const struct bench *b)
{
  struct pool_options options = {
    .geometry = { .page_size = DATA_PAGE, .checksum = b->checksum },
    .algorithm = b->algorithm,
  };
  struct pool *pool = pool_open (&options);

  if (!pool || pool_start (pool) != ATTACH_OK)
    err (EXIT_FAILURE, "pool");
  return pool;
}

static void
empty_the_disk (struct bench *b)
{
  pool_close (b->pool);
  b->pool = new_pool (b);
  b->device = device_open (b->pool, "", b->data.count * DATA_PAGE);
  if (!b->device)
    err (EXIT_FAILURE, "device_open");
}

/* Shared memory, as the store's: the same kind of OS pages. */
static uint8_t *
map_shared (size_t size)
{
  int fd = memfd_create ("packed", MFD_CLOEXEC);
  uint8_t *p;

  if (fd == -1 || ftruncate (fd, (off_t) size) == -1
      || !(p = os_map_file (fd, 0, size)))
    err (EXIT_FAILURE, "memfd");
  close (fd);
  return p;
}

static size_t
packed_size (const struct bench *b)
{
  return align_up (b->data.count * b->algorithm.codec->bound (DATA_PAGE),
                   OS_PAGE_SIZE);
}

static void
pack (struct bench *b, struct runner *r)
{
  const struct algorithm *a = &b->algorithm;
  uint64_t offset = 0;

  b->packed = map_shared (packed_size (b));
  b->index = must_alloc (b->data.count * sizeof b->index[0]);
  for (size_t i = 0; i < b->data.count; ++i) {
    size_t length = a->codec->compress (r->compressor, a->level,
                                        data_page (&b->data, i), DATA_PAGE,
                                        b->packed + offset);

    b->index[i] = (struct packed_page) { offset, (uint32_t) length };
    offset += length;
  }
}

static void
unpack (struct bench *b)
{
  os_unmap (b->packed, packed_size (b));
  free (b->index);
}

/* ---- comparing two sides ---- */

struct turns {
  size_t count;                 /* to go through all the data */
  size_t rounds;
  double *ratios;               /* by round */
  double *best[2];              /* by turn and side */
  double total[2];
};

static struct turns
turns_new (size_t pages, size_t rounds)
{
  struct turns t = {
    .count = MAX (2, div_up (pages, TURN)),
    .ratios = must_alloc (rounds * sizeof (double)),
  };

  for (int s = 0; s < 2; ++s) {
    t.best[s] = must_alloc (t.count * sizeof (double));
    for (size_t i = 0; i < t.count; ++i)
      t.best[s][i] = DBL_MAX;
  }
  return t;
}

static void
turns_free (struct turns *t)
{
  free (t->ratios);
  free (t->best[0]);
  free (t->best[1]);
}

static void
turns_note (struct turns *t, int s, size_t turn, double seconds,
            double sum[2])
{
  sum[s] += seconds;
  t->total[s] += seconds;
  t->best[s][turn] = MIN (t->best[s][turn], seconds);
}

static void
round_done (struct turns *t, const double sum[2])
{
  t->ratios[t->rounds++] = sum[0] / sum[1];
}

static double
quiet_ratio (const struct turns *t)
{
  double sum[2] = { 0 };

  for (int s = 0; s < 2; ++s)
    for (size_t i = 0; i < t->count; ++i)
      sum[s] += t->best[s][i];
  return sum[0] / sum[1];
}

static void
report (const struct bench *b, const char *what, const struct turns *t,
        const char *const names[2], enum aim aim, double target)
{
  double per_page = 1e6 / (double) (t->rounds * b->data.count);
  double mid = median (t->ratios, t->rounds);
  char title[64], details[160];

  snprintf (title, sizeof title, "%s: %s", b->algorithm.codec->name, what);
  snprintf (details, sizeof details,
            "quiet %.3f, rounds %.3f-%.3f; us/page: %s %.2f, %s %.2f",
            quiet_ratio (t), t->ratios[0], t->ratios[t->rounds - 1],
            names[0], t->total[0] * per_page,
            names[1], t->total[1] * per_page);
  table_row (title, mid, aim, target, details);
}

static double
timed (struct runner *r, const struct side *side, const struct turns *t,
       size_t turn)
{
  size_t pages = r->b->data.count;
  double start = now ();

  side->run (r, side, turn * pages / t->count, (turn + 1) * pages / t->count);
  return now () - start;
}

static void
one_round (struct runner *r, struct turns *t, const struct side sides[2])
{
  double sum[2] = { 0 };

  for (size_t i = 0; i < t->count; ++i)
    for (int s = 0; s < 2; ++s) {
      size_t turn = (i + (size_t) s * t->count / 2) % t->count;

      turns_note (t, s, turn, timed (r, &sides[s], t, turn), sum);
    }
  round_done (t, sum);
}

/* After I rounds since START, another?  Three make a median. */
static bool
go_on (const struct bench *b, size_t i, double start)
{
  return i < b->rounds && (i < MIN (3, b->rounds)
                           || now () - start < b->seconds);
}

static const char *const bare_and_store[2] = { "bare", "store" };

static void
measure_fill (struct bench *b, struct runner *r)
{
  struct side sides[2] = { { bare_write, 0 }, { store_write, 0 } };
  struct turns t = turns_new (b->data.count, b->rounds);
  double start = now ();

  for (size_t i = 0; go_on (b, i, start); ++i) {
    empty_the_disk (b);
    one_round (r, &t, sides);
  }
  report (b, "write, first fill / bare", &t, bare_and_store, NO_TARGET, 0);
  turns_free (&t);
}

static void
measure_write (struct bench *b, struct runner *r)
{
  struct side sides[2] = { { bare_write, 0 }, { store_write, 0 } };
  struct turns t = turns_new (b->data.count, b->rounds);
  uint64_t seed = SEED;
  double start = now ();

  for (size_t i = 0; go_on (b, i, start); ++i) {
    sides[1].shift = prng (&seed) % b->data.count;
    one_round (r, &t, sides);
  }
  report (b, "write, steady / bare", &t, bare_and_store, AT_LEAST, 0.9);
  turns_free (&t);
}

static void
measure_read (struct bench *b, struct runner *r)
{
  struct side sides[2] = { { bare_read, 0 }, { store_read, 0 } };
  struct turns t = turns_new (b->data.count, b->rounds);
  double start = now ();

  for (size_t i = 0; go_on (b, i, start); ++i)
    one_round (r, &t, sides);
  report (b, "read, random / bare", &t, bare_and_store, AT_LEAST, 0.8);
  turns_free (&t);
}

/* ---- two threads against one ---- */

/* The second thread sleeps while the first works alone.  It is woken,
 * and has said so, before the clock of a turn of both starts.
 */
struct helper {
  pthread_t thread;
  struct runner runner;
  const struct side *side;      /* what to do; NULL: end */
  size_t first, end;
  sem_t asked;
  _Atomic bool awake, start, done;
};

static void *
help (void *arg)
{
  struct helper *h = arg;

  for (;;) {
    while (sem_wait (&h->asked) == -1)
      ;
    if (!h->side)
      return NULL;
    h->awake = true;
    while (!h->start)
      ;
    h->side->run (&h->runner, h->side, h->first, h->end);
    h->done = true;
  }
}

static void
wake (struct helper *h, const struct side *side, size_t first, size_t end)
{
  h->side = side;
  h->first = first;
  h->end = end;
  h->awake = h->start = h->done = false;
  sem_post (&h->asked);
}

static void
helper_start (struct helper *h, struct bench *b)
{
  runner_init (&h->runner, b);
  sem_init (&h->asked, 0, 0);
  if (pthread_create (&h->thread, NULL, help, h) != 0)
    errx (EXIT_FAILURE, "pthread_create");
}

static void
helper_end (struct helper *h)
{
  wake (h, NULL, 0, 0);
  pthread_join (h->thread, NULL);
  sem_destroy (&h->asked);
  runner_free (&h->runner);
}

static double
timed_both (struct runner *r, struct helper *h, const struct side *side,
            const size_t bounds[4])
{
  double start;

  wake (h, side, bounds[2], bounds[3]);
  while (!h->awake)
    ;
  start = now ();
  h->start = true;
  side->run (r, side, bounds[0], bounds[1]);
  while (!h->done)
    ;
  return now () - start;
}

static double
timed_alone (struct runner *r, const struct side *side, const size_t bounds[4])
{
  double start = now ();

  side->run (r, side, bounds[0], bounds[1]);
  side->run (r, side, bounds[2], bounds[3]);
  return now () - start;
}

/* A turn is a part of the first half of the pages, and the like part of
 * the second half: one thread does one after the other, or two do both.
 */
static void
bounds_of_turn (size_t bounds[4], size_t pages, const struct turns *t,
                size_t turn)
{
  size_t half = pages / 2;

  bounds[0] = turn * half / t->count;
  bounds[1] = (turn + 1) * half / t->count;
  bounds[2] = bounds[0] + half;
  bounds[3] = bounds[1] + half;
}

static void
threads_round (struct runner *r, struct helper *h, struct turns *t,
               const struct side *side)
{
  double sum[2] = { 0 };
  size_t bounds[4], turn;

  for (size_t i = 0; i < t->count; ++i) {
    bounds_of_turn (bounds, r->b->data.count, t, i);
    turns_note (t, 0, i, timed_alone (r, side, bounds), sum);
    turn = (i + t->count / 2) % t->count;
    bounds_of_turn (bounds, r->b->data.count, t, turn);
    turns_note (t, 1, turn, timed_both (r, h, side, bounds), sum);
  }
  round_done (t, sum);
}

/* The bare loop shows how far the machine itself lets two threads be
 * faster than one.
 */
static void
measure_scaling (struct bench *b, struct runner *r, struct helper *h,
                 const struct side sides[2], const char *const whats[2])
{
  static const char *const names[2] = { "one", "two" };
  struct turns t[2];
  double start = now ();

  for (int s = 0; s < 2; ++s)
    t[s] = turns_new (b->data.count, b->rounds);
  for (size_t i = 0; go_on (b, i, start); ++i)
    for (int s = 0; s < 2; ++s)
      threads_round (r, h, &t[s], &sides[s]);
  report (b, whats[0], &t[0], names, AT_LEAST, 1.8);
  report (b, whats[1], &t[1], names, NO_TARGET, 0);
  for (int s = 0; s < 2; ++s)
    turns_free (&t[s]);
}

static void
measure_threads (struct bench *b, struct runner *r)
{
  static const struct side writes[2]
    = { { store_write, 0 }, { bare_write, 0 } };
  static const struct side reads[2] = { { store_read, 0 }, { bare_read, 0 } };
  struct helper h;

  helper_start (&h, b);
  measure_scaling (b, r, &h, writes, (const char *const[]) {
      "write, 2 threads / 1", "bare compression, 2 threads / 1" });
  measure_scaling (b, r, &h, reads, (const char *const[]) {
      "read, 2 threads / 1", "bare decompression, 2 threads / 1" });
  helper_end (&h);
}

/* ---- memory ---- */

static void
measure_memory (const struct bench *b)
{
  struct stats st;
  struct stat file;
  char title[64], details[160];

  pool_get_stats (b->pool, &st);
  if (fstat (b->pool->file.fd, &file) == -1)
    err (EXIT_FAILURE, "fstat");
  snprintf (title, sizeof title, "%s: memory used / compressed data",
            b->algorithm.codec->name);
  snprintf (details, sizeof details,
            "mem_used_total %.1f MiB, pool file %.1f, compr_data_size %.1f,"
            " orig %.1f",
            (double) st.mem_used_total / MIB,
            (double) file.st_blocks * 512 / MIB,
            (double) st.compr_data_size / MIB,
            (double) st.orig_data_size / MIB);
  table_row (title, (double) st.mem_used_total / (double) st.compr_data_size,
             NO_TARGET, 0, details);
}

/* ---- all of it ---- */

/* Numbers of a store that loses pages mean nothing. */
static void
verify (struct runner *r)
{
  const struct data *data = &r->b->data;

  for (size_t i = 0; i < data->count; ++i) {
    if (device_read (r->b->device, r->page, DATA_PAGE, i * DATA_PAGE) == -1)
      err (EXIT_FAILURE, "device_read");
    if (memcmp (r->page, data_page (data, i), DATA_PAGE) != 0)
      errx (EXIT_FAILURE, "page %zu is not what was written", i);
  }
}

enum { PART_FILL = 1, PART_WRITE = 2, PART_READ = 4, PART_THREADS = 8,
       PART_MEMORY = 16, PARTS_ALL = 31 };

static void
measure_algorithm (struct bench *b, unsigned parts)
{
  static const struct side in_place = { store_write, 0 };
  struct runner r;

  runner_init (&r, b);
  pack (b, &r);
  empty_the_disk (b);
  if (parts & PART_FILL)
    measure_fill (b, &r);
  else
    store_write (&r, &in_place, 0, b->data.count);
  if (parts & PART_WRITE)
    measure_write (b, &r);
  store_write (&r, &in_place, 0, b->data.count);
  if (parts & PART_READ)
    measure_read (b, &r);
  if (parts & PART_THREADS)
    measure_threads (b, &r);
  verify (&r);
  if (parts & PART_MEMORY)
    measure_memory (b);
  unpack (b);
  runner_free (&r);
}

static size_t
count_same_filled (const struct data *data)
{
  size_t n = 0;
  uint64_t word;

  for (size_t i = 0; i < data->count; ++i)
    n += same_filled (data_page (data, i), DATA_PAGE, &word);
  return n;
}

static unsigned
part_of_name (const char *name)
{
  static const char *const names[] = {
    "fill", "write", "read", "threads", "memory",
  };

  for (unsigned i = 0; i < ARRAY_SIZE (names); ++i)
    if (strcmp (name, names[i]) == 0)
      return 1U << i;
  errx (EXIT_FAILURE, "--part: '%s' is none of fill, write, read, threads, "
        "memory", name);
}

static const char usage[] =
  "usage: store [OPTION...] DATA\n"
  "Compare the store with a bare loop of the same codec over DATA, a file\n"
  "of memory pages.\n"
  "  -a, --algorithm=NAME[:level=N]  this one (repeat for more);\n"
  "                                  default: lz4, lzo, zstd\n"
  "  -n, --pages=N                   use the first N pages only\n"
  "  -p, --part=NAME                 only fill, write, read, threads or\n"
  "                                  memory (repeat for more)\n"
  "  -r, --rounds=N                  of each comparison, at most (9)\n"
  "  -s, --seconds=N                 begin no round after N seconds of a\n"
  "                                  comparison (4)\n"
  "      --no-checksum               a pool without checksums\n"
  "  -h, --help\n";

struct arguments {
  const char *algorithms[16];
  unsigned algorithm_count;
  size_t pages, rounds, seconds;
  unsigned parts;
  bool checksum;
  const char *path;
};

static void
add_algorithm (struct arguments *args, const char *spec)
{
  if (args->algorithm_count == ARRAY_SIZE (args->algorithms))
    errx (EXIT_FAILURE, "--algorithm: too many");
  args->algorithms[args->algorithm_count++] = spec;
}

static struct arguments
parse (int argc, char *argv[])
{
  static const struct option options[] = {
    { "algorithm", required_argument, NULL, 'a' },
    { "pages", required_argument, NULL, 'n' },
    { "part", required_argument, NULL, 'p' },
    { "rounds", required_argument, NULL, 'r' },
    { "seconds", required_argument, NULL, 's' },
    { "no-checksum", no_argument, NULL, 'C' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
  };
  struct arguments args = { .rounds = 9, .seconds = 4, .checksum = true };
  int c;

  while ((c = getopt_long (argc, argv, "a:n:p:r:s:h", options, NULL)) != -1)
    switch (c) {
    case 'a': add_algorithm (&args, optarg); break;
    case 'n': args.pages = must_number ("--pages", optarg, 1); break;
    case 'p': args.parts |= part_of_name (optarg); break;
    case 'r': args.rounds = must_number ("--rounds", optarg, 1); break;
    case 's': args.seconds = must_number ("--seconds", optarg, 0); break;
    case 'C': args.checksum = false; break;
    case 'h': fputs (usage, stdout); exit (EXIT_SUCCESS);
    default: fputs (usage, stderr); exit (EXIT_FAILURE);
    }
  if (optind != argc - 1) {
    fputs (usage, stderr);
    exit (EXIT_FAILURE);
  }
  args.path = argv[optind];
  if (args.parts == 0)
    args.parts = PARTS_ALL;
  return args;
}

static void
default_algorithms (struct arguments *args)
{
  static const char *const names[] = { "lz4", "lzo", "zstd" };

  for (size_t i = 0; i < ARRAY_SIZE (names); ++i)
    if (codec_by_name (names[i]))
      add_algorithm (args, names[i]);
    else
      printf ("%s: not measured: not built in\n", names[i]);
}

int
main (int argc, char *argv[])
{
  struct arguments args = parse (argc, argv);
  struct bench b = {
    .checksum = args.checksum,
    .rounds = args.rounds,
    .seconds = (double) args.seconds,
  };
  char error[256];

  b.data = data_open (args.path, args.pages);
  b.order = shuffled (b.data.count, SEED);
  if (args.algorithm_count == 0)
    default_algorithms (&args);
  printf ("The store against a bare loop of its codec, checksum %s: "
          "%zu pages, %zu same-filled\n", b.checksum ? "on" : "off",
          b.data.count, count_same_filled (&b.data));
  table_head ();
  for (unsigned i = 0; i < args.algorithm_count; ++i) {
    if (algorithm_parse (args.algorithms[i], &b.algorithm, error, sizeof error)
        == -1)
      errx (EXIT_FAILURE, "--algorithm=%s: %s", args.algorithms[i], error);
    measure_algorithm (&b, args.parts);
  }
  pool_close (b.pool);
  free (b.order);
  return EXIT_SUCCESS;
}
