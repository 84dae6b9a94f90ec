/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of "nbdzram serve", from its command line and NAME.conf, and
 * the program of the servers that follows from them: nbdzramd with its
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

/* The command line; the strings are those of argv. */
struct serve_options {
  const char *name;
  const char *size, *pool, *listen; /* NULL: not given */
  bool swap, standby, daemon, force;
  char **words;                 /* KEY=VALUE */
  int word_count;
};

struct setup {
  struct serve_options options;
  struct conf conf;
  bool standby;                 /* keep a standby */
  bool serves;                  /* false: all servers are remote */
  struct program program;
};

/* Read NAME.conf; options override it.  Returns 0, or -1 with a message in
 * ERROR.  The caller frees SETUP in both cases.
 */
int setup_read (struct setup *setup, const struct serve_options *options,
                char *error, size_t size);

/* The descriptors of a server. */
struct child_fds {
  int listen;                   /* the first of the listening sockets */
  int pool;                     /* the memfd, or /dev/null */
  int ready_write, ready;       /* the socket of its status, both ends */
  int hold;                     /* the eventfd that ends its lock keeper */
  int log;                      /* the reading end of its standard error */
  int start_barrier;            /* the reading end of its start barrier */
  int count;
};

struct child_fds child_fds_layout (unsigned listener_count);

/* Find nbdzramd, and set the program, whose descriptors are FDS.  Returns 0,
 * or -1 with a message in ERROR.
 */
int setup_make_program (struct setup *setup, const struct child_fds *fds,
                        char *error, size_t size);

/* Set the program to ARGV, which is copied and ends with NULL; its first
 * word is the path of the file.  Returns 0, or -1: out of memory.
 */
int setup_set_program (struct setup *setup, const char *const argv[],
                       const struct child_fds *fds);

void program_free (struct program *program);
void setup_free (struct setup *setup);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_SETUP_H */
