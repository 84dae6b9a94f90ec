/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of a verb: one table, from which they are parsed and --help is
 * printed.
 */

#ifndef NBDZRAM_COMMAND_BASE_OPTIONS_H
#define NBDZRAM_COMMAND_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"

/* What an option that may be repeated was given. */
#define OPTION_LIST_MAX 8

struct option_list {
  const char *values[OPTION_LIST_MAX];
  unsigned count;
};

/* Where the value goes: one of the five. */
struct option_entry {
  const char *name;             /* without the dashes */
  char letter;                  /* 0: none */
  const char *argument;         /* what people call it; NULL for a flag */
  const char *help;
  bool *flag;
  const char **string;
  struct option_list *list;
  uint64_t *number;
  uint64_t *size;               /* with a suffix: 4K */
  uint64_t min, max;            /* of both; max 0: the largest that JSON
                                 * can hold */
};

/* Which server: every verb that asks one has it. */
#define OPTION_CONTROL(variable)                                        \
  { .name = "control", .argument = "PATH",                              \
    .help = "the server with this control socket", .string = (variable) }

/* Parse ENTRIES, ended by a NULL name, and --help.  Returns the index of
 * the first argument that is no option.  What makes no sense ends the
 * program, and so does --help.
 */
int options_parse (const struct command *command, int argc, char *argv[],
                   const struct option_entry *entries);

/* End the program with a sentence. */
_Noreturn void usage_error (const struct command *command,
                            const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* The one argument after the options, or NULL.  More end the program. */
const char *last_argument (const struct command *command, int index,
                           int argc, char *argv[]);

#endif /* NBDZRAM_COMMAND_BASE_OPTIONS_H */
