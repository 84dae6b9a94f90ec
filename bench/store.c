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
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/util.h"
#include "lib/maintenance/stats.h"
#include "lib/store/same.h"

#include "store.h"

/* ---- comparisons ---- */

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
