/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What swapon and mount have in common: settings of NAME.conf and of the
 * command line, and what is done with them.
 */

#ifndef NBDZRAM_COMMAND_VERBS_SETUP_COMMAND_H
#define NBDZRAM_COMMAND_VERBS_SETUP_COMMAND_H

#include "command/base/options.h"
#include "command/swap/setup.h"

struct setup_command {
  const struct option_entry *options; /* settings are those with a key */
  char **words;                 /* KEY=VALUE */
  int word_count;
  bool no_systemd;
  /* Adds to the settings what the verb itself sets, and checks them all.  0,
   * or -1 with an error.
   */
  int (*finish) (struct swap_setup *s);
};

/* The options of both that say how the pages are kept; their values go to the
 * five lists from V on.
 */
#define OPTIONS_POOL(v)                                                 \
  { .name = "algorithm", .key = "algorithm", .argument = "SPEC",        \
    .list = (v), .help = "how pages are compressed" },                  \
  { .name = "recompress", .key = "recompress", .argument = "SPEC",      \
    .list = (v) + 1, .help = "a stronger algorithm for a second pass" }, \
  { .name = "mem-limit", .key = "mem-limit", .argument = "SIZE",        \
    .list = (v) + 2, .help = "limit of the memory held" },              \
  { .name = "backing", .key = "backing", .argument = "PATH",            \
    .list = (v) + 3, .help = "where cold pages go; two URIs: a mirror" }, \
  { .name = "backing-size", .key = "backing-size", .argument = "SIZE",  \
    .list = (v) + 4, .help = "how much of the backing file to use" }

#define OPTION_NO_SYSTEMD(given)                                        \
  { .name = "no-systemd", .flag = &(given)->no_systemd,                 \
    .help = "start the server without systemd" }

/* Sets S up, whose verb and name are set.  Errors are reported.  Returns the
 * exit code.
 */
int setup_command_run (struct swap_setup *s,
                       const struct setup_command *given);

#endif /* NBDZRAM_COMMAND_VERBS_SETUP_COMMAND_H */
