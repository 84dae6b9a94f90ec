/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options --range and --export, which select pages. */

#ifndef NBDZRAM_COMMAND_VERBS_RANGE_H
#define NBDZRAM_COMMAND_VERBS_RANGE_H

#include "command/base/options.h"

#include <jansson.h>

/* As on the command line, or NULL. */
struct range {
  const char *pages;
  const char *export;
};

#define OPTIONS_RANGE(range)                                            \
  { .name = "range", .argument = "FIRST-LAST",                          \
    .string = &(range)->pages,                                          \
    .help = "only these pages; also FIRST- or one number" },            \
  { .name = "export", .argument = "EXPORT", .string = &(range)->export, \
    .help = "only pages of the export with this name" }

/* Put RANGE into REQUEST.  An error of the user ends the program. */
void range_put (const struct command *command, const struct range *range,
                json_t *request);

#endif /* NBDZRAM_COMMAND_VERBS_RANGE_H */
