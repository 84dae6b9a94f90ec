/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of the command nbdzram: a file in command/verbs and an entry in
 * the table of main.c each; the verbs of maintenance share one file.
 */

#ifndef NBDZRAM_COMMAND_BASE_COMMAND_H
#define NBDZRAM_COMMAND_BASE_COMMAND_H

#include <stdbool.h>

/* The exit codes of the program, as documented in nbdzram(8). */
enum exit_code {
  EXIT_OK = 0,
  EXIT_FAILED = 1,              /* the server refused, or an error */
  EXIT_USAGE = 2,               /* an invalid command line */
  EXIT_NO_SERVER = 3,           /* not found, or it does not answer */
};

struct row;                     /* output.h */
struct completion;              /* complete.h */

enum column_kind {
  COLUMN_TEXT,
  COLUMN_NUMBER,
  COLUMN_SIZE,                  /* in bytes */
  COLUMN_LIMIT,                 /* likewise; 0 is no limit */
};

/* A column of a verb's table. */
struct column {
  const char *name;
  const char *help;
  enum column_kind kind;        /* all but texts are aligned to the right */
  bool hidden;                  /* shown only on request */

  /* For row_cell in output.h: where the value is. */
  const char *key;
  bool of_reply;                /* KEY is of the reply, not of its part */
  bool always;                  /* also for a server that was not asked */
  const char *(*format) (const struct row *row, char *text); /* no KEY */
};

struct command {
  const char *name;
  const char *arguments;        /* after the options, for --help */
  const char *summary;          /* one line */
  int (*run) (const struct command *command, int argc, char *argv[]);
  const struct column *columns; /* of its table, or NULL */
  void (*complete) (const struct completion *c); /* prints what an argument
                                                  * can be */
};

extern const struct command commands[]; /* ended by a NULL name */

#define COMMAND(verb)                                                   \
  int command_##verb (const struct command *command, int argc, char *argv[])

COMMAND (analyze);
COMMAND (check);
COMMAND (conf);
COMMAND (export);
COMMAND (maintain);
COMMAND (metrics);
COMMAND (mount);
COMMAND (pages);
COMMAND (serve);
COMMAND (set);
COMMAND (status);
COMMAND (stop);
COMMAND (swapoff);
COMMAND (swapon);
COMMAND (top);
COMMAND (umount);
COMMAND (upgrade);
COMMAND (watch);
COMMAND (areas);

extern const struct column analyze_columns[];
extern const struct column export_columns[];
extern const struct column status_columns[];

#endif /* NBDZRAM_COMMAND_BASE_COMMAND_H */
