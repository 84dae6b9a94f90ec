/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram analyze: how much memory would this data take in a pool? */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "command/base/output.h"
#include "lib/base/util.h"
#include "service/parse-number.h"

#include "analyze-advice.h"
#include "analyze-print.h"
#include "analyze-run.h"
#include "process-memory.h"

#define HASH_PLACES (1 << 22)   /* 12 GiB of pages are counted exactly */
#define SAMPLE_MAX 16384        /* pages */
#define SAMPLE_LIMIT (1 << 24)
#define MILLISECONDS 1000       /* for each algorithm */
#define MILLISECONDS_LIMIT (3600 * 1000)

/* ---- progress ---- */

#define BAR 40

static void
show_progress (struct analyze_run *r, const char *what, unsigned percent)
{
  static const char full[BAR + 1] = "########################################";

  if (!r->progress || percent == r->percent)
    return;
  r->percent = percent;
  fprintf (stderr, "\r%-20.20s [%-*.*s] %3u %%", what, BAR,
           (int) (percent * BAR / 100), full, percent);
}

static void
end_progress (const struct analyze_run *r)
{
  if (r->progress)
    fprintf (stderr, "\r%*s\r", BAR + 30, "");
}

static void
show_read_progress (struct analyze_run *r)
{
  if (r->total > 0)
    show_progress (r, "reading",
                   (unsigned) MIN (100, 100 * r->done / r->total));
}

/* ---- pages ---- */

/* Add LENGTH more bytes of the data, in pages. */
static void
add_bytes (struct analyze_run *r, const uint8_t *bytes, size_t length)
{
  while (length > 0) {
    size_t n = MIN (length, r->page_size - r->filled);

    memcpy (r->page + r->filled, bytes, n);
    r->filled += n;
    bytes += n;
    length -= n;
    if (r->filled == r->page_size) {
      analysis_add (&r->analysis, r->page);
      r->filled = 0;
    }
  }
}

/* Fill the last page with zeroes, as a disk would. */
static void
add_last_page (struct analyze_run *r)
{
  if (r->filled == 0)
    return;
  memset (r->page + r->filled, 0, r->page_size - r->filled);
  analysis_add (&r->analysis, r->page);
  r->filled = 0;
}

static int
read_all (struct analyze_run *r, int fd, uint8_t *buf, size_t size)
{
  ssize_t n;

  while ((n = read (fd, buf, size)) != 0) {
    if (n == -1 && errno == EINTR)
      continue;
    if (n == -1)
      return -1;
    add_bytes (r, buf, (size_t) n);
    r->done += (size_t) n;
    show_read_progress (r);
  }
  return 0;
}

static int
read_file (struct analyze_run *r, const char *path)
{
  CLEANUP_CLOSE int fd = strcmp (path, "-") == 0
    ? dup (STDIN_FILENO) : open (path, O_RDONLY | O_CLOEXEC);
  size_t size = MIB;
  CLEANUP_FREE uint8_t *buf = malloc (size);
  off_t end;
  int result = -1;

  if (fd != -1 && buf) {
    /* Pipes have no end to seek to. */
    end = lseek (fd, 0, SEEK_END);
    if (end > 0 && lseek (fd, 0, SEEK_SET) == 0)
      r->total = (uint64_t) end;
    result = read_all (r, fd, buf, size);
  }
  if (result == -1)
    fprintf (stderr, "nbdzram analyze: %s: %s\n", path, strerror (errno));
  return result;
}

struct process_walk {
  struct analyze_run *run;
  const struct process_memory *memory;
};

static bool
add_process_page (void *opaque, const void *page)
{
  struct process_walk *w = opaque;

  add_bytes (w->run, page, w->memory->page_size);
  w->run->done = w->memory->mapped;
  show_read_progress (w->run);
  return true;
}

static int
read_process (struct analyze_run *r, const char *pid)
{
  struct process_memory p;
  struct process_walk w = { r, &p };
  int result = process_memory_open (&p, pid);

  if (result == 0) {
    r->total = process_memory_mapped (&p);
    result = process_memory_walk (&p, add_process_page, &w);
    process_memory_close (&p);
  }
  if (result == -1)
    fprintf (stderr, "nbdzram analyze: process %s: %s\n", pid,
             errno == ENOENT ? "there is no such process" : strerror (errno));
  return result;
}

/* ---- algorithms ---- */

static void
add_algorithm (struct analyze_run *r, const char *spec)
{
  struct algorithm *a;
  char error[256];

  if (r->count == VERDICTS_MAX)
    usage_error (r->command, "more than %d algorithms", VERDICTS_MAX);
  a = &r->verdicts[r->count].algorithm;
  if (algorithm_parse (spec, a, error, sizeof error) == -1)
    usage_error (r->command, "%s: %s", spec, error);
  if (a->dictionary || a->auto_dictionary)
    usage_error (r->command, "%s: dictionaries can't be analyzed", spec);
  ++r->count;
}

/* Add every codec, and more levels of codecs for which the level matters. */
static void
add_default_algorithms (struct analyze_run *r)
{
  static const char *const more[] = { "zstd:level=3", "zstd:level=9" };

  for (const struct codec *const *c = codecs; *c; ++c) {
    add_algorithm (r, (*c)->name);
    for (size_t i = 0; i < ARRAY_SIZE (more); ++i)
      if (strncmp (more[i], (*c)->name, strcspn (more[i], ":")) == 0)
        add_algorithm (r, more[i]);
  }
}

static void
choose_algorithms (struct analyze_run *r)
{
  char *list, *rest, *spec;

  if (!r->algorithms) {
    add_default_algorithms (r);
    return;
  }
  rest = list = strdup (r->algorithms);
  while (rest && (spec = strsep (&rest, ",")) != NULL)
    add_algorithm (r, spec);
  free (list);
}

static int
try_algorithms (struct analyze_run *r)
{
  for (unsigned i = 0; i < r->count; ++i) {
    struct algorithm a = r->verdicts[i].algorithm;

    show_progress (r, a.codec->name, 100 * i / r->count);
    if (analysis_try (&r->analysis, &a, (double) r->milliseconds / 1000,
                      &r->verdicts[i]) == -1) {
      end_progress (r);
      fprintf (stderr, "nbdzram analyze: %s: %s\n", a.codec->name,
               errno == EIO ? "decompressed data differs from the original"
                            : strerror (errno));
      return -1;
    }
  }
  return 0;
}

/* ---- all of it ---- */

static void
check_options (struct analyze_run *r, const char *file)
{
  uint64_t pid;

  if (r->page_size < PAGE_SIZE_MIN || r->page_size > PAGE_SIZE_MAX
      || !is_power_of_2 (r->page_size))
    usage_error (r->command, "--page-size: must be a power of two from 4K "
                 "to 64K");
  if (!file == !r->pid)
    usage_error (r->command, "give either a FILE or --pid");
  if (r->pid && !parse_number (r->pid, &pid))
    usage_error (r->command, "--pid=%s: not a whole number", r->pid);
  if (r->json && (r->table.output || r->table.all || r->table.raw))
    usage_error (r->command, "--json prints no table");
}

static int
analyze_pages (struct analyze_run *r, const char *file)
{
  struct output o;
  char advice[1024];

  choose_algorithms (r);
  output_begin (&o, r->command, r->command->columns, &r->table);
  if ((r->pid ? read_process (r, r->pid) : read_file (r, file)) == -1)
    return EXIT_FAILED;
  add_last_page (r);
  end_progress (r);
  if (r->analysis.pages == 0) {
    fprintf (stderr, "nbdzram analyze: %s: there are no pages to analyze\n",
             r->pid ? r->pid : file);
    return EXIT_FAILED;
  }
  if (try_algorithms (r) == -1)
    return EXIT_FAILED;
  end_progress (r);
  analyze_advise (r, advice, sizeof advice);
  return r->json ? analyze_print_json (r, advice)
                 : analyze_print_text (r, &o, advice);
}

static int
open_and_analyze (struct analyze_run *r, const char *file)
{
  int code = EXIT_FAILED;

  r->progress = isatty (STDERR_FILENO) == 1;
  r->percent = UINT32_MAX;
  r->page = malloc (r->page_size);
  if (!r->page || analysis_open (&r->analysis, (uint32_t) r->page_size,
                                 (uint32_t) r->sample, HASH_PLACES) == -1)
    fprintf (stderr, "nbdzram analyze: out of memory\n");
  else {
    code = analyze_pages (r, file);
    analysis_close (&r->analysis);
  }
  free (r->page);
  return code;
}

int
command_analyze (const struct command *command, int argc, char *argv[])
{
  struct analyze_run r = {
    .command = command, .page_size = PAGE_SIZE_MIN,
    .sample = SAMPLE_MAX, .milliseconds = MILLISECONDS,
  };
  const struct option_entry entries[] = {
    { .name = "pid", .letter = 'p', .argument = "PID", .string = &r.pid,
      .help = "the memory of this process" },
    { .name = "algorithm", .letter = 'a', .argument = "ALG,...",
      .string = &r.algorithms, .help = "try these (default: all)" },
    { .name = "page-size", .argument = "SIZE", .size = &r.page_size,
      .words = "4K 8K 16K 32K 64K",
      .help = "unit of compression (default: 4K)" },
    { .name = "sample", .argument = "PAGES", .number = &r.sample,
      .min = 1, .max = SAMPLE_LIMIT,
      .help = "pages to try algorithms with (default: 16384)" },
    { .name = "time", .argument = "MS", .number = &r.milliseconds,
      .min = 1, .max = MILLISECONDS_LIMIT,
      .help = "milliseconds for each algorithm (default: 1000)" },
    OPTIONS_TABLE (&r.table),
    { .name = "json", .letter = 'J', .flag = &r.json,
      .help = "print everything as JSON" },
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *file = last_argument (command, index, argc, argv);

  check_options (&r, file);
  return open_and_analyze (&r, file);
}
