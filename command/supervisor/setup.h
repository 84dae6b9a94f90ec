/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What serve was told, by its command line and by NAME.conf, and the
 * program that follows from it: nbdkit with the plugin and its
 * parameters.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_SETUP_H
#define NBDZRAM_COMMAND_SUPERVISOR_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "command/conf/conf.h"
#include "launch.h"

#define MESSAGE_SIZE 512        /* of an error message */
#define VERSION_SIZE 32         /* of a program's version */

/* As the user said it; strings are those of argv. */
struct serve_options {
  const char *name;
  const char *size, *pool, *listen;
  uint64_t threads;             /* 0: not given */
  bool swap, standby, daemon, force;
  char **words;                 /* KEY=VALUE */
  int word_count;
};

struct setup {
  struct serve_options options;
  struct conf conf;
  bool standby;                 /* keep one */
  bool serves;                  /* here, not only at remote servers */
  struct program program;
};

/* Read NAME.conf, and let the options have the last word.  0, or -1 with
 * a line in ERROR; SETUP is to be freed in both cases.
 */
int setup_read (struct setup *setup, const struct serve_options *options,
                char *error, size_t size);

/* Where in a server its descriptors are: sockets from LISTEN on, its pool,
 * if that has no path, and what it and its supervisor tell each other by.
 */
struct child_fds {
  int listen, pool, ready_write, ready, hold, log, start_barrier, count;
};

struct child_fds child_fds_layout (unsigned listener_count);

/* Find nbdkit and the plugin, and lay out the program, with descriptors at
 * FDS.  0, or -1 with a line in ERROR.
 */
int setup_program (struct setup *setup, const struct child_fds *fds,
                   char *error, size_t size);

/* A program that is laid out already: ARGV, ended by NULL, with its path
 * first.
 */
int setup_program_of (struct setup *setup, char *const argv[],
                      const struct child_fds *fds);

void program_free (struct program *program);
void setup_free (struct setup *setup);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_SETUP_H */
