/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#include "command/base/output.h"

#include "analyze-advice.h"
#include "analyze-print.h"

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

int
analyze_print_text (struct analyze_run *r, struct output *o,
                    const char *advice)
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

int
analyze_print_json (const struct analyze_run *r, const char *advice)
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
