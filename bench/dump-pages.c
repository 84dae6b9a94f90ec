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
#include <string.h>
#include <unistd.h>

/* From Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT ((uint64_t) 1 << 63)

#define BATCH 512               /* entries of pagemap read at once */

static size_t page_size;

struct dump {
  FILE *out;
  uint64_t left;                /* of what the limit allows a process */
  uint64_t written;             /* of this process */
  uint64_t skipped;
};

struct process {
  const char *pid;
  FILE *maps;
  int pagemap, mem;
};

/* ---- one process ---- */

static int
open_proc (const char *pid, const char *name)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%s/%s", pid, name);
  return open (path, O_RDONLY | O_CLOEXEC);
}

static void
process_close (struct process *p)
{
  if (p->maps)
    fclose (p->maps);
  if (p->pagemap != -1)
    close (p->pagemap);
  if (p->mem != -1)
    close (p->mem);
}

/* Returns false when this process may not be looked into. */
static bool
process_open (struct process *p, const char *pid)
{
  int maps = open_proc (pid, "maps");

  *p = (struct process) {
    .pid = pid,
    .maps = maps == -1 ? NULL : fdopen (maps, "r"),
    .pagemap = open_proc (pid, "pagemap"),
    .mem = open_proc (pid, "mem"),
  };
  if (p->maps && p->pagemap != -1 && p->mem != -1)
    return true;
  warn ("process %s: skipped", pid);
  process_close (p);
  return false;
}

/* ---- its mappings ---- */

/* Is a line of maps a mapping of the kind wanted?  [heap], [stack] and
 * [anon:...] have no file behind them; [vdso] and its like belong to the
 * kernel, and are not writable.
 */
static bool
parse_mapping (const char *line, uint64_t *start, uint64_t *end)
{
  char perms[5], name[2] = "";
  uint64_t inode;

  if (sscanf (line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64 " %1s",
              start, end, perms, &inode, name) < 4)
    return false;
  return perms[1] == 'w' && perms[3] == 'p' && inode == 0
    && (name[0] == '\0' || name[0] == '[');
}

static void
dump_page (struct dump *d, const struct process *p, uint64_t addr, void *buf)
{
  if (pread (p->mem, buf, page_size, (off_t) addr) != (ssize_t) page_size) {
    ++d->skipped;
    return;
  }
  if (fwrite (buf, page_size, 1, d->out) != 1)
    err (EXIT_FAILURE, "write");
  ++d->written;
  --d->left;
}

/* Dump the pages present of those that ENTRIES, COUNT of them from ADDR
 * on, are about.
 */
static void
dump_batch (struct dump *d, const struct process *p, uint64_t addr,
            const uint64_t *entries, size_t count, void *buf)
{
  for (size_t i = 0; i < count && d->left > 0; ++i)
    if (entries[i] & PAGEMAP_PRESENT)
      dump_page (d, p, addr + i * page_size, buf);
}

static void
dump_mapping (struct dump *d, const struct process *p, uint64_t start,
              uint64_t end, void *buf)
{
  uint64_t entries[BATCH];

  while (start < end && d->left > 0) {
    size_t want = (size_t) ((end - start) / page_size);
    ssize_t got;

    if (want > BATCH)
      want = BATCH;
    got = pread (p->pagemap, entries, want * sizeof entries[0],
                 (off_t) (start / page_size * sizeof entries[0]));
    if (got < (ssize_t) sizeof entries[0])
      return;
    want = (size_t) got / sizeof entries[0];
    dump_batch (d, p, start, entries, want, buf);
    start += want * page_size;
  }
}

static void
dump_process (struct dump *d, const struct process *p)
{
  void *buf = malloc (page_size);
  char *line = NULL;
  size_t size = 0;
  uint64_t start, end;

  if (!buf)
    err (EXIT_FAILURE, "malloc");
  while (d->left > 0 && getline (&line, &size, p->maps) != -1)
    if (parse_mapping (line, &start, &end))
      dump_mapping (d, p, start, end, buf);
  free (line);
  free (buf);
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
  struct process p;

  page_size = (size_t) sysconf (_SC_PAGESIZE);
  for (int i = optind; i < argc; ++i) {
    if (!process_open (&p, argv[i]))
      continue;
    d.left = args.max_pages;
    d.written = d.skipped = 0;
    dump_process (&d, &p);
    fprintf (stderr, "process %s: %" PRIu64 " pages", p.pid, d.written);
    if (d.skipped > 0)
      fprintf (stderr, ", %" PRIu64 " unreadable", d.skipped);
    fprintf (stderr, "\n");
    total += d.written;
    process_close (&p);
  }
  if (fclose (d.out) == EOF)
    err (EXIT_FAILURE, "%s", args.output ? args.output : "stdout");
  fprintf (stderr, "%" PRIu64 " pages of %zu bytes\n", total, page_size);
  return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
