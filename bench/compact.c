/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does memory come back?  Fill a disk, trim most of it at random,
 * compact, and compare what is still resident with what is still
 * stored.
 */

#include <config.h>

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "lib/maintenance/compact.h"
#include "lib/maintenance/stats.h"
#include "lib/store/devices.h"
#include "lib/store/pool.h"

#include "measure.h"

#define SEED 1

struct memory {
  double file;                  /* bytes of the pool file */
  double resident;              /* bytes of this process */
};

static struct memory
measure_memory (const struct pool *pool)
{
  FILE *fp = fopen ("/proc/self/statm", "re");
  unsigned long resident;
  struct stat st;

  if (!fp || fscanf (fp, "%*u %lu", &resident) != 1)
    err (EXIT_FAILURE, "/proc/self/statm");
  fclose (fp);
  if (fstat (pool->file.fd, &st) == -1)
    err (EXIT_FAILURE, "fstat");
  return (struct memory) {
    .file = (double) st.st_blocks * 512,
    .resident = (double) resident * (double) sysconf (_SC_PAGESIZE),
  };
}

static void
must_write (struct device *d, const struct data *data, size_t n)
{
  if (device_write (d, data_page (data, n), DATA_PAGE, n * DATA_PAGE) == -1)
    err (EXIT_FAILURE, "device_write");
}

static void
must_trim (struct device *d, size_t n)
{
  if (device_zero (d, DATA_PAGE, n * DATA_PAGE) == -1)
    err (EXIT_FAILURE, "device_zero");
}

/* Every path has been walked once, and nothing is stored. */
static void
warm_up (struct device *d, const struct data *data)
{
  uint8_t page[DATA_PAGE];

  must_write (d, data, 0);
  if (device_read (d, page, DATA_PAGE, 0) == -1)
    err (EXIT_FAILURE, "device_read");
  must_trim (d, 0);
  pool_compact (d->pool, NULL);
}

static void
report (const char *algorithm, const char *what, double value, enum aim aim,
        double bytes, double stored, double ms)
{
  char title[64], details[128];

  snprintf (title, sizeof title, "%s: %s / stored", algorithm, what);
  snprintf (details, sizeof details, "%.2f MiB of %.2f stored, compacted in"
            " %.1f ms", bytes / MIB, stored / MIB, ms);
  table_row (title, value, aim, 1.15, details);
}

static void
measure (const struct data *data, const struct algorithm *algorithm,
         unsigned percent)
{
  struct pool_options options = {
    .geometry = { .page_size = DATA_PAGE, .checksum = true },
    .algorithm = *algorithm,
  };
  struct pool *pool = pool_open (&options);
  uint32_t *order = shuffled (data->count, SEED);
  struct device *d;
  struct memory empty, before, after;
  struct stats st;
  double stored, ms;

  if (!pool || pool_start (pool) != ATTACH_OK
      || !(d = device_open (pool, "", data->count * DATA_PAGE)))
    err (EXIT_FAILURE, "pool");
  warm_up (d, data);
  empty = measure_memory (pool);
  for (size_t i = 0; i < data->count; ++i)
    must_write (d, data, i);
  for (size_t i = 0; i < data->count * percent / 100; ++i)
    must_trim (d, order[i]);
  before = measure_memory (pool);
  ms = now ();
  pool_compact (pool, NULL);
  ms = (now () - ms) * 1e3;
  after = measure_memory (pool);
  pool_get_stats (pool, &st);
  stored = (double) st.compr_data_size;

  report (algorithm->codec->name, "before compaction",
          (before.file - empty.file) / stored, NO_TARGET,
          before.file - empty.file, stored, 0);
  report (algorithm->codec->name, "pool file",
          (after.file - empty.file) / stored, AT_MOST,
          after.file - empty.file, stored, ms);
  report (algorithm->codec->name, "resident",
          (after.resident - empty.resident) / stored, AT_MOST,
          after.resident - empty.resident, stored, ms);
  pool_close (pool);
  free (order);
}

static const char usage[] =
  "usage: compact [OPTION...] DATA [ALGORITHM...]\n"
  "Fill a disk with DATA, a file of memory pages, trim most at random,\n"
  "compact, and print what memory is left of it.\n"
  "  -t, --trim=PERCENT  default: 90\n"
  "  -h, --help\n";

static unsigned
parse (int argc, char *argv[])
{
  static const struct option options[] = {
    { "trim", required_argument, NULL, 't' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
  };
  uint64_t percent = 90;
  int c;

  while ((c = getopt_long (argc, argv, "t:h", options, NULL)) != -1)
    switch (c) {
    case 't': percent = must_number ("--trim", optarg, 0); break;
    case 'h': fputs (usage, stdout); exit (EXIT_SUCCESS);
    default: fputs (usage, stderr); exit (EXIT_FAILURE);
    }
  if (optind >= argc || percent > 99) {
    fputs (usage, stderr);
    exit (EXIT_FAILURE);
  }
  return (unsigned) percent;
}

int
main (int argc, char *argv[])
{
  unsigned percent = parse (argc, argv);
  struct data data = data_open (argv[optind], 0);
  struct algorithm algorithm;
  char error[256];

  if (optind + 1 == argc) {
    algorithm = (struct algorithm) {
      .codec = codecs[0], .level = codecs[0]->default_level,
    };
    measure (&data, &algorithm, percent);
  }
  for (int i = optind + 1; i < argc; ++i) {
    if (algorithm_parse (argv[i], &algorithm, error, sizeof error) == -1)
      errx (EXIT_FAILURE, "%s: %s", argv[i], error);
    measure (&data, &algorithm, percent);
  }
  return EXIT_SUCCESS;
}
