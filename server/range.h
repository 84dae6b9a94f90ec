/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option --range: which pages. */

#ifndef NBDZRAM_RANGE_H
#define NBDZRAM_RANGE_H

#include "options.h"

#include <jansson.h>

#define OPTION_RANGE(variable)                                          \
  { .name = "range", .argument = "FIRST-LAST", .string = (variable),    \
    .help = "these pages, or FIRST-, or one" }

/* Put RANGE, as on the command line, into REQUEST; NULL does nothing.
 * What makes no sense ends the program.
 */
void range_put (const struct command *command, const char *range,
                json_t *request);

#endif /* NBDZRAM_RANGE_H */
