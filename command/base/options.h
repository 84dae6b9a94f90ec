/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of a verb: one table for parsing and for --help. */

#ifndef NBDZRAM_COMMAND_BASE_OPTIONS_H
#define NBDZRAM_COMMAND_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"

/* The values of an option that may be repeated. */
#define OPTION_LIST_MAX 8

struct option_list {
  const char *values[OPTION_LIST_MAX];
  unsigned count;
};

/* An option.  The value goes to one of the five pointers. */
struct option_entry {
  const char *name;             /* without the dashes */
  const char *key;              /* of a setting in nbdzram.conf(5); or NULL */
  char letter;                  /* 0: none */
  const char *argument;         /* name of the value; NULL for a flag */
  const char *help;
  const char *words;            /* the only values, for completion; or NULL */
  bool *flag;
  const char **string;
  struct option_list *list;
  uint64_t *number;
  uint64_t *size;               /* with a suffix: 4K */
  uint64_t min, max;            /* of numbers and sizes; max 0: the
                                 * largest number in JSON */
};

/* The option of all verbs that send requests to a server. */
#define OPTION_CONTROL(variable)                                        \
  { .name = "control", .argument = "PATH",                              \
    .help = "the server with this control socket", .string = (variable) }

/* Parses the options in ENTRIES, ended by a NULL name, and --help.  Returns
 * the index of the first argument that is no option.  An invalid option ends
 * the program, and so does --help.
 */
int options_parse (const struct command *command, int argc, char *argv[],
                   const struct option_entry *entries);

/* Ends the program with a message and EXIT_USAGE. */
_Noreturn void usage_error (const struct command *command,
                            const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* Returns the one argument after the options, or NULL.  A second one ends the
 * program.
 */
const char *last_argument (const struct command *command, int index,
                           int argc, char *argv[]);

/* Returns the arguments from INDEX on, which must be KEY=VALUE.  Any other
 * ends the program.
 */
char **setting_arguments (const struct command *command, int index, int argc,
                          char *argv[]);

#endif /* NBDZRAM_COMMAND_BASE_OPTIONS_H */
