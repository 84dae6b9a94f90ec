/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/measure.h"

#include "workload.h"

/* ---- arguments ---- */

static bool
set_number (uint64_t *number, const char *s)
{
  char *end;

  errno = 0;
  *number = strtoull (s, &end, 10);
  return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0;
}

static bool
set_real (double *real, const char *s)
{
  char *end;

  errno = 0;
  *real = strtod (s, &end);
  return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0;
}

/* Is ARGUMENT this one's?  Then it is set. */
static bool
take (const struct parameter *p, const char *argument)
{
  size_t length = strlen (p->name);
  const char *value = argument + length + 1;

  if (strncmp (argument, p->name, length) != 0 || argument[length] != '=')
    return false;
  if (p->number ? !set_number (p->number, value) : !set_real (p->real, value))
    errx (2, "%s: not a number", argument);
  return true;
}

static bool
take_any (const struct parameter *p, size_t n, const char *argument)
{
  for (size_t i = 0; i < n; ++i)
    if (take (&p[i], argument))
      return true;
  return false;
}

void
workload_start (struct workload *w, int argc, char *argv[],
                const struct parameter *own, size_t n)
{
  const struct parameter common[] = {
    { "seed", &w->seed, NULL },
    { "hold", &w->hold, NULL },
  };

  *w = (struct workload) { .seed = 1 };
  if (argc < 2 || !set_number (&w->mib, argv[1]) || w->mib == 0)
    errx (2, "the first argument must be a number of MiB from 1 on");
  for (int i = 2; i < argc; ++i)
    if (!take_any (common, 2, argv[i]) && !take_any (own, n, argv[i]))
      errx (2, "%s: no such parameter", argv[i]);
  w->start = now ();
}

/* ---- the kernel's counters ---- */

static void
read_vmstat (uint64_t *pswpin, uint64_t *pswpout)
{
  char name[64];
  uint64_t value;
  FILE *fp = fopen ("/proc/vmstat", "re");

  if (!fp)
    err (EXIT_FAILURE, "/proc/vmstat");
  while (fscanf (fp, "%63s %" SCNu64, name, &value) == 2)
    if (strcmp (name, "pswpin") == 0)
      *pswpin = value;
    else if (strcmp (name, "pswpout") == 0)
      *pswpout = value;
  fclose (fp);
}

void
workload_begin (struct workload *w)
{
  double start = now ();

  w->fill_seconds = start - w->start;
  w->page_ins = (struct page_ins) { 0 };
  read_vmstat (&w->pswpin, &w->pswpout);
  w->faults = major_faults ();
  w->start = now ();
}

void
workload_end (struct workload *w)
{
  uint64_t pswpin = 0, pswpout = 0;

  w->seconds = now () - w->start;
  w->faults = major_faults () - w->faults;
  read_vmstat (&pswpin, &pswpout);
  w->pswpin = pswpin - w->pswpin;
  w->pswpout = pswpout - w->pswpout;
}

/* ---- results ---- */

static void
print_result (const struct workload *w)
{
  const struct page_ins *p = &w->page_ins;

  page_in_print (p);
  printf ("result fill_seconds=%.3f seconds=%.3f major_faults=%" PRIu64
          " pswpin=%" PRIu64 " pswpout=%" PRIu64
          " p50_us=%.1f p99_us=%.1f p999_us=%.1f wrong=%" PRIu64 "\n",
          w->fill_seconds, w->seconds, w->faults, w->pswpin, w->pswpout,
          page_in_quantile (p, .5), page_in_quantile (p, .99),
          page_in_quantile (p, .999), w->wrong);
  if (fflush (stdout) == EOF)
    err (EXIT_FAILURE, "standard output");
}

static void
wait_for_end_of_input (void)
{
  char buffer[64];

  while (read (STDIN_FILENO, buffer, sizeof buffer) > 0)
    ;
}

int
workload_finish (const struct workload *w)
{
  print_result (w);
  if (w->hold)
    wait_for_end_of_input ();
  return w->wrong > 0;
}

void *
workload_memory (size_t size)
{
  void *p = mmap (NULL, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (p == MAP_FAILED)
    err (EXIT_FAILURE, "mmap");
  if (madvise (p, size, MADV_NOHUGEPAGE) == -1 && errno != EINVAL)
    err (EXIT_FAILURE, "madvise");
  return p;
}
