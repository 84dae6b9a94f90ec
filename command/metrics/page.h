/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text format of Prometheus.  In it a family is described once, followed
 * by its samples of all servers.
 */

#ifndef NBDZRAM_COMMAND_METRICS_PAGE_H
#define NBDZRAM_COMMAND_METRICS_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "collect.h"

/* Prints what was collected to OUT.  FOR_TERMINAL: without characters that a
 * terminal obeys; names of exports may have them.
 */
void page_print (FILE *out, const struct collected *c, bool for_terminal);

/* The same as a text of *LENGTH bytes, to be freed, or NULL with errno. */
char *page_text (const struct collected *c, size_t *length);

#endif /* NBDZRAM_COMMAND_METRICS_PAGE_H */
