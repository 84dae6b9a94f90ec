/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dump the pages of memory that processes really use: what they wrote
 * to private memory with no file behind it, the kind that is swapped.
 */

#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command/verbs/process-memory.h"

struct dump {
  FILE *out;
  size_t page_size;
  uint64_t left;                /* of what the limit allows a process */
  uint64_t written;             /* of this process */
};

static bool
dump_page (void *opaque, const void *page)
{
  struct dump *d = opaque;

  if (fwrite (page, d->page_size, 1, d->out) != 1)
    err (EXIT_FAILURE, "write");
  ++d->written;
  return --d->left > 0;
}

/* Returns how many pages of this process there are. */
static uint64_t
dump_process (struct dump *d, const char *pid, uint64_t max_pages)
{
  struct process_memory p;

  if (process_memory_open (&p, pid) == -1) {
    warn ("process %s: skipped", pid);
    return 0;
  }
  d->page_size = p.page_size;
  d->left = max_pages;
  d->written = 0;
  if (process_memory_walk (&p, dump_page, d) == -1)
    err (EXIT_FAILURE, "process %s", pid);
  fprintf (stderr, "process %s: %" PRIu64 " pages", pid, d->written);
  if (p.skipped > 0)
    fprintf (stderr, ", %" PRIu64 " unreadable", p.skipped);
  fprintf (stderr, "\n");
  process_memory_close (&p);
  return d->written;
}

/* ---- all of it ---- */

static const char usage[] =
  "usage: dump-pages [-n MAX_PAGES] [-o FILE] PID...\n"
  "Write the pages of private, writable memory without a file behind it\n"
  "that are present in processes.\n"
  "  -n, --max-pages=N  at most N pages of each process\n"
  "  -o, --output=FILE  default: the standard output\n"
  "  -h, --help\n"
  "Processes and pages that may not be read are skipped.\n";

struct arguments {
  uint64_t max_pages;
  const char *output;
};

static uint64_t
parse_count (const char *s)
{
  char *end;
  uint64_t n;

  errno = 0;
  n = strtoull (s, &end, 10);
  if (*s < '0' || *s > '9' || *end != '\0' || errno != 0 || n == 0)
    errx (EXIT_FAILURE, "--max-pages: '%s' is not a number from 1 on", s);
  return n;
}

static struct arguments
parse (int argc, char *argv[])
{
  static const struct option options[] = {
    { "max-pages", required_argument, NULL, 'n' },
    { "output", required_argument, NULL, 'o' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
  };
  struct arguments args = { .max_pages = UINT64_MAX };
  int c;

  while ((c = getopt_long (argc, argv, "n:o:h", options, NULL)) != -1)
    switch (c) {
    case 'n': args.max_pages = parse_count (optarg); break;
    case 'o': args.output = optarg; break;
    case 'h': fputs (usage, stdout); exit (EXIT_SUCCESS);
    default: fputs (usage, stderr); exit (EXIT_FAILURE);
    }
  if (optind == argc) {
    fputs (usage, stderr);
    exit (EXIT_FAILURE);
  }
  return args;
}

/* Other people's memory: for nobody else to read. */
static FILE *
open_output (const char *path)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  FILE *fp = fd == -1 ? NULL : fdopen (fd, "w");

  if (!fp)
    err (EXIT_FAILURE, "%s", path);
  return fp;
}

int
main (int argc, char *argv[])
{
  struct arguments args = parse (argc, argv);
  struct dump d = { .out = args.output ? open_output (args.output) : stdout };
  uint64_t total = 0;

  for (int i = optind; i < argc; ++i)
    total += dump_process (&d, argv[i], args.max_pages);
  if (fclose (d.out) == EOF)
    err (EXIT_FAILURE, "%s", args.output ? args.output : "stdout");
  fprintf (stderr, "%" PRIu64 " pages of %zu bytes\n", total, d.page_size);
  return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
