/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static int
compare_doubles (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

double
median (double *values, size_t n)
{
  qsort (values, n, sizeof *values, compare_doubles);
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

struct data
data_open (const char *path, size_t max_pages)
{
  struct data data;
  struct stat st;
  int fd = open (path, O_RDONLY | O_CLOEXEC);

  if (fd == -1 || fstat (fd, &st) == -1)
    err (EXIT_FAILURE, "%s", path);
  data.count = (size_t) st.st_size / DATA_PAGE;
  if (max_pages != 0 && data.count > max_pages)
    data.count = max_pages;
  if (data.count == 0)
    errx (EXIT_FAILURE, "%s: holds no page", path);
  /* Populated: reading the file is no part of what is measured. */
  data.pages = mmap (NULL, data.count * DATA_PAGE, PROT_READ,
                     MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (data.pages == MAP_FAILED)
    err (EXIT_FAILURE, "%s", path);
  close (fd);
  return data;
}

uint64_t
prng (uint64_t *state)
{
  uint64_t z = *state += UINT64_C (0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

uint32_t *
shuffled (size_t n, uint64_t seed)
{
  uint32_t *order = must_alloc (n * sizeof *order);

  for (size_t i = 0; i < n; ++i) {
    size_t j = prng (&seed) % (i + 1);

    order[i] = order[j];
    order[j] = (uint32_t) i;
  }
  return order;
}

void *
must_alloc (size_t size)
{
  void *p = malloc (size);

  if (!p)
    err (EXIT_FAILURE, "malloc");
  return p;
}

uint64_t
must_number (const char *option, const char *s, uint64_t min)
{
  char *end;
  uint64_t n;

  errno = 0;
  n = strtoull (s, &end, 10);
  if (*s < '0' || *s > '9' || *end != '\0' || errno != 0 || n < min)
    errx (EXIT_FAILURE, "%s: '%s' is not a number from %" PRIu64 " on",
          option, s, min);
  return n;
}

void
table_head (void)
{
  printf ("%-46s %9s  %-8s %-4s %s\n", "what", "measured", "target", "met",
          "details");
}

void
table_row (const char *what, double value, enum aim aim, double target,
           const char *details)
{
  char text[32] = "-";
  const char *met = "-";

  if (aim != NO_TARGET) {
    snprintf (text, sizeof text, "%s %.2f", aim == AT_LEAST ? ">=" : "<=",
              target);
    met = (aim == AT_LEAST ? value >= target : value <= target) ? "yes" : "no";
  }
  printf ("%-46s %9.3f  %-8s %-4s %s\n", what, value, text, met, details);
  fflush (stdout);
}
