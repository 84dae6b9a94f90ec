/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What "nbdzram top" shows of exports, as text.  Knows nothing of
 * terminals, but for how many columns they have.
 */

#ifndef NBDZRAM_COMMAND_VERBS_TOP_EXPORTS_H
#define NBDZRAM_COMMAND_VERBS_TOP_EXPORTS_H

#include "command/base/output.h"
#include "top-sample.h"

#define EXPORT_LINE_SIZE (NAME_SIZE + 128)

/* An export in the newest sample; rates are those since the one before,
 * 0 if it was not there then.
 */
struct export_rates {
  const json_t *device;         /* of the sample, which owns it */
  size_t index;                 /* in its list */
  double reads, read_bytes;     /* a second */
  double writes, write_bytes;
};

/* All of them, the busiest first, then those that hold most, in a list of
 * *COUNT to be freed.  NULL: there are none, or no memory.
 */
struct export_rates *exports_rates (const struct history *h, size_t *count);

/* The headings of a line, and a line, of at most COLUMNS columns. */
void exports_heading (char line[EXPORT_LINE_SIZE], unsigned columns);
void exports_line (char line[EXPORT_LINE_SIZE], const struct export_rates *e,
                   unsigned columns);

#endif /* NBDZRAM_COMMAND_VERBS_TOP_EXPORTS_H */
