/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rates of exports, and the lines of text that "nbdzram top" shows of
 * them.  This does not depend on a terminal, but for its number of columns.
 */

#ifndef NBDZRAM_COMMAND_VERBS_TOP_EXPORTS_H
#define NBDZRAM_COMMAND_VERBS_TOP_EXPORTS_H

#include "command/base/output.h"
#include "top-sample.h"

#define EXPORT_LINE_SIZE (NAME_SIZE + 128)

/* An export in the newest sample, with its rates since the sample before; 0 if
 * that did not have the export.
 */
struct export_rates {
  const json_t *device;         /* of the sample, which owns it */
  size_t index;                 /* in its list */
  double reads, read_bytes;     /* a second */
  double writes, write_bytes;
};

/* The rates of all exports: the busiest first, then those that hold the most
 * memory.  The caller frees the list of *COUNT.  NULL: there are no exports,
 * or no memory for the list.
 */
struct export_rates *exports_rates (const struct history *h, size_t *count);

/* Put the headings, or the line of an export, into LINE, in at most COLUMNS
 * columns.
 */
void exports_heading (char line[EXPORT_LINE_SIZE], unsigned columns);
void exports_line (char line[EXPORT_LINE_SIZE], const struct export_rates *e,
                   unsigned columns);

#endif /* NBDZRAM_COMMAND_VERBS_TOP_EXPORTS_H */
