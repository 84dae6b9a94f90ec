/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram analyze: how much memory would this data take in a pool? */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "command/base/output.h"
#include "lib/base/util.h"
#include "service/parse-number.h"

#include "analysis.h"
#include "process-memory.h"

#define VERDICTS_MAX 32
#define PAGE_SIZE_MIN 4096
#define PAGE_SIZE_MAX 65536
#define HASH_PLACES (1 << 22)   /* 12 GiB of pages are counted exactly */
#define SAMPLE_MAX 16384        /* pages */
#define SAMPLE_LIMIT (1 << 24)
#define MILLISECONDS 1000       /* for each algorithm */
#define MILLISECONDS_LIMIT (3600 * 1000)

/* The options, progress and results of a run. */
struct analyze_run {
  const struct command *command;
  struct analysis analysis;
  struct verdict verdicts[VERDICTS_MAX];
  unsigned count;
  uint8_t *page;                /* the one being filled */
  size_t filled;
  bool progress;
  uint64_t done, total;         /* bytes read; of these, 0: unknown */
  unsigned percent;             /* shown last */
  /* options */
  const char *pid, *algorithms;
  uint64_t page_size, sample, milliseconds;
  bool json;
  struct table_options table;
};

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

/* ---- the recommendation ---- */

/* The most seconds that a page may take to write and to read for an algorithm
 * to be recommended: a tenth of the time of a good SSD.
 */
#define WRITE_MAX 30e-6
#define READ_MAX 15e-6
/* A slower algorithm must save this share of the memory. */
#define WORTH 0.05

static double
compression_ratio (const struct analyze_run *r, double memory)
{
  return (double) (r->analysis.pages * r->page_size) / memory;
}

static bool
is_fast (const struct analyze_run *r, const struct verdict *v)
{
  double pages = (double) r->page_size / PAGE_SIZE_MIN;

  return v->compress <= WRITE_MAX * pages && v->decompress <= READ_MAX * pages;
}

static const struct verdict *
fastest_verdict (const struct analyze_run *r)
{
  const struct verdict *best = &r->verdicts[0];

  for (unsigned i = 1; i < r->count; ++i)
    if (r->verdicts[i].compress < best->compress)
      best = &r->verdicts[i];
  return best;
}

/* The fastest algorithm, or one that is slower but saves enough memory. */
static const struct verdict *
best_verdict (const struct analyze_run *r)
{
  const struct verdict *best = fastest_verdict (r);

  for (unsigned i = 0; i < r->count; ++i)
    if (is_fast (r, &r->verdicts[i])
        && r->verdicts[i].memory < best->memory * (1 - WORTH))
      best = &r->verdicts[i];
  return best;
}

static const char *
algorithm_text (char text[TEXT_SIZE], const struct algorithm *a)
{
  if (a->level == a->codec->default_level)
    snprintf (text, TEXT_SIZE, "%s", a->codec->name);
  else
    snprintf (text, TEXT_SIZE, "%s:level=%d", a->codec->name, a->level);
  return text;
}

/* The part of the recommendation about dedup; empty if it saves too little. */
static const char *
dedup_advice (const struct verdict *v, char text[2 * TEXT_SIZE])
{
  char memory[TEXT_SIZE];

  if (v->memory_dedup > v->memory * (1 - WORTH))
    return "";
  snprintf (text, 2 * TEXT_SIZE, ", or %s with dedup=device",
            text_of_size (memory, (uint64_t) v->memory_dedup));
  return text;
}

/* The algorithm that recompresses what FAST has written, and saves enough
 * memory by that, or NULL.  Only reading counts, since nothing waits for
 * recompression.
 */
static const struct verdict *
best_second (const struct analyze_run *r, const struct verdict *fast)
{
  const double read_max = READ_MAX * (double) r->page_size / PAGE_SIZE_MIN;
  const struct verdict *best = NULL;

  for (unsigned i = 0; i < r->count; ++i) {
    const struct verdict *v = &r->verdicts[i];

    if (v->decompress <= read_max && v->memory < fast->memory * (1 - WORTH)
        && (!best || v->memory < best->memory))
      best = v;
  }
  return best;
}

/* The sentence about two algorithms; empty if the second saves too little. */
static const char *
recompress_advice (const struct analyze_run *r, char text[4 * TEXT_SIZE + 128])
{
  const struct verdict *fast = fastest_verdict (r);
  const struct verdict *second = best_second (r, fast);
  char name[TEXT_SIZE], other[TEXT_SIZE], memory[TEXT_SIZE];

  if (!second)
    return "";
  snprintf (text, 4 * TEXT_SIZE + 128, "  Or algorithm=%s recompress=%s: "
            "writing a page takes %.1f µs, and idle pages are recompressed to "
            "%s.", algorithm_text (name, &fast->algorithm),
            algorithm_text (other, &second->algorithm), fast->compress * 1e6,
            text_of_size (memory, (uint64_t) second->memory));
  return text;
}

static void
write_recommendation (const struct analyze_run *r, char *text, size_t size)
{
  const struct verdict *v = best_verdict (r);
  char name[TEXT_SIZE], whole[TEXT_SIZE], memory[TEXT_SIZE];
  char dedup[2 * TEXT_SIZE], recompress[4 * TEXT_SIZE + 128];

  text_of_size (whole, r->analysis.pages * r->page_size);
  text_of_size (memory, (uint64_t) v->memory);
  algorithm_text (name, &v->algorithm);
  if (compression_ratio (r, v->memory) < 1.1)
    snprintf (text, size, "A compressed disk is not worth it: these %s would "
              "take %s of memory.", whole, memory);
  else
    snprintf (text, size, "Use algorithm=%s: these %s would take %s of memory "
              "(%.1f : 1)%s, at %.1f µs to write a page and %.1f µs to read "
              "it.%s", name, whole, memory, compression_ratio (r, v->memory),
              dedup_advice (v, dedup), v->compress * 1e6,
              v->decompress * 1e6, recompress_advice (r, recompress));
}

/* ---- printing ---- */

enum { ALGORITHM, RATIO, MEMORY, DEDUP_RATIO, HUGE_SHARE, WRITE, READ, TRIED };

const struct column analyze_columns[] = {
  [ALGORITHM] = { .name = "ALGORITHM", .help = "as in algorithm=" },
  [RATIO] = { "RATIO", "size of all pages divided by MEMORY",
              .kind = COLUMN_NUMBER },
  [MEMORY] = { "MEMORY", "memory held in a pool", .kind = COLUMN_NUMBER },
  [DEDUP_RATIO] = { "DEDUP-RATIO", "RATIO if duplicates shared memory",
                    .kind = COLUMN_NUMBER },
  [HUGE_SHARE] = { "HUGE%", "share of pages that would be stored raw",
                   .kind = COLUMN_NUMBER },
  [WRITE] = { "WRITE-US", "microseconds to compress a page",
              .kind = COLUMN_NUMBER },
  [READ] = { "READ-US", "microseconds to decompress a page",
             .kind = COLUMN_NUMBER },
  [TRIED] = { "SAMPLE", "pages tried", .kind = COLUMN_NUMBER },
  { 0 },
};

struct analyze_row {
  const struct analyze_run *run;
  const struct verdict *verdict;
};

/* The share (0 to 1) of all pages that V would store raw. */
static double
huge_share (const struct analyze_run *r, const struct verdict *v)
{
  const struct analysis *a = &r->analysis;

  return v->tried == 0 ? 0 : (double) v->huge / v->tried
    * (double) (a->pages - a->same_pages) / (double) a->pages;
}

static const char *
analyze_cell (void *opaque, unsigned column, char text[TEXT_SIZE])
{
  const struct analyze_row *l = opaque;
  const struct verdict *v = l->verdict;
  uint64_t memory = (uint64_t) v->memory;

  switch (column) {
  case ALGORITHM: algorithm_text (text, &v->algorithm); break;
  case RATIO:
    snprintf (text, TEXT_SIZE, "%.2f",
              compression_ratio (l->run, v->memory));
    break;
  case MEMORY:
    return l->run->table.bytes ? text_of_number (text, memory)
      : text_of_size (text, memory);
  case DEDUP_RATIO:
    snprintf (text, TEXT_SIZE, "%.2f",
              compression_ratio (l->run, v->memory_dedup));
    break;
  case HUGE_SHARE:
    snprintf (text, TEXT_SIZE, "%.1f", 100 * huge_share (l->run, v));
    break;
  case WRITE: snprintf (text, TEXT_SIZE, "%.2f", v->compress * 1e6); break;
  case READ: snprintf (text, TEXT_SIZE, "%.2f", v->decompress * 1e6); break;
  case TRIED: snprintf (text, TEXT_SIZE, "%" PRIu32, v->tried); break;
  }
  return text;
}

static void
print_share (const char *what, const struct analyze_run *r, uint64_t pages,
             bool estimated)
{
  printf ("%-16s %10" PRIu64 " pages %5.1f %%%s\n", what, pages,
          100 * (double) pages / (double) r->analysis.pages,
          estimated ? "  (estimated)" : "");
}

static int
print_text (struct analyze_run *r, struct output *o, const char *advice)
{
  struct analysis *a = &r->analysis;
  uint64_t raw = (uint64_t) (analysis_incompressible (a) * (double) a->pages
                             + 0.5);

  if (!r->table.raw) {
    print_share ("all", r, a->pages, false);
    print_share ("same-filled", r, a->same_pages, false);
    print_share ("duplicate", r, analysis_duplicates (a), a->estimated);
    print_share ("incompressible", r, raw,
                 a->pages - a->same_pages > a->sample_count);
    putchar ('\n');
  }
  for (unsigned i = 0; i < r->count; ++i) {
    struct analyze_row l = { r, &r->verdicts[i] };

    output_line (o, analyze_cell, &l);
  }
  if (output_end (o) != EXIT_OK)
    return EXIT_FAILED;
  if (!r->table.raw)
    printf ("\n%s\n", advice);
  return EXIT_OK;
}

static json_t *
json_verdicts (const struct analyze_run *r)
{
  json_t *list = json_array ();

  for (unsigned i = 0; i < r->count; ++i) {
    const struct verdict *v = &r->verdicts[i];

    json_array_append_new (list, json_pack (
      "{s:s, s:i, s:I, s:I, s:f, s:f, s:f, s:f, s:f}",
      "algorithm", v->algorithm.codec->name,
      "level", v->algorithm.level,
      "sample_pages", (json_int_t) v->tried,
      "memory", (json_int_t) v->memory,
      "ratio", compression_ratio (r, v->memory),
      "dedup_ratio", compression_ratio (r, v->memory_dedup),
      "huge_share", huge_share (r, v),
      "compress_seconds", v->compress,
      "decompress_seconds", v->decompress));
  }
  return list;
}

static int
print_as_json (const struct analyze_run *r, const char *advice)
{
  const struct analysis *a = &r->analysis;

  return print_json (json_pack (
    "{s:I, s:I, s:I, s:I, s:b, s:f, s:o, s:s}",
    "page_size", (json_int_t) r->page_size,
    "pages", (json_int_t) a->pages,
    "same_pages", (json_int_t) a->same_pages,
    "duplicate_pages", (json_int_t) analysis_duplicates (a),
    "duplicates_estimated", (int) a->estimated,
    "incompressible_share", analysis_incompressible (a),
    "algorithms", json_verdicts (r),
    "recommendation", advice));
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
  write_recommendation (r, advice, sizeof advice);
  return r->json ? print_as_json (r, advice) : print_text (r, &o, advice);
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
