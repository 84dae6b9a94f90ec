/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of "nbdzram analyze" share: analyze.c reads the data and
 * tries the algorithms, analyze-advice.c recommends one of them, and
 * analyze-print.c prints.
 */

#ifndef NBDZRAM_COMMAND_VERBS_ANALYZE_RUN_H
#define NBDZRAM_COMMAND_VERBS_ANALYZE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/base/output.h"

#include "analysis.h"

#define VERDICTS_MAX 32
#define PAGE_SIZE_MIN 4096
#define PAGE_SIZE_MAX 65536

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

/* The size of all pages divided by MEMORY bytes. */
static inline double
compression_ratio (const struct analyze_run *r, double memory)
{
  return (double) (r->analysis.pages * r->page_size) / memory;
}

#endif /* NBDZRAM_COMMAND_VERBS_ANALYZE_RUN_H */
