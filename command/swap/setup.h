/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting up a swap: everything between nothing and active swap.
 *
 * Each step first checks whether it is done already, so another run continues
 * where one was interrupted.  When a step fails, everything that this run has
 * done before it is undone.
 *
 * setup.c has the order of the steps; setup-steps.h lists the steps.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SETUP_H
#define NBDZRAM_COMMAND_SWAP_SETUP_H

#include <stdbool.h>

#include "command/attach/record.h"
#include "command/conf/conf.h"

#include "array.h"
#include "state.h"

#define SETUP_SYSCTLS 3         /* how many are changed */

struct swap_setup {
  const char *verb;             /* for messages: "swapon" or "mount" */
  const char *name;
  bool mount;                   /* a file system, and no swap */
  bool unit;                    /* systemd starts the server */
  struct conf conf;
  struct swap_state state;
  bool unreachable[CONF_REMOTES_MAX]; /* as conf.remotes */
  struct attachment attached[CONF_REMOTES_MAX];
  unsigned attached_count;
  struct array array;           /* of all attached devices */
  bool has_areas;               /* the disk is cut into areas */
  int areas_fd;                 /* keeps the areas there; or -1 */

  /* What this run did, and undoes if a later step fails. */
  bool server_started;
  bool conf_created;            /* the copy in the runtime directory */
  bool state_created;           /* NAME.swap */
  bool watcher_started[CONF_REMOTES_MAX]; /* as attached */
  bool watcher_dials[CONF_REMOTES_MAX]; /* as conf.remotes: one was started
                                         * that has attached nothing yet */
  bool cut;                     /* the disk, into areas */
  bool manager_started;         /* of the areas */
  bool activated[SWAP_DEVICES_MAX]; /* as state.devices */
  bool mounted;
  const char *changed_sysctls[SETUP_SYSCTLS];
  unsigned changed_count;

  char error[512];              /* one line, when a function returned -1 */
};

/* Forget the settings of an earlier run that left no swap, and turn off a
 * swap whose server was killed.  Call it before the settings are read.
 */
void swap_setup_forget_earlier (const struct swap_setup *s);

/* Read what an earlier run of this command has done, once NAME and CONF are
 * set.  0, or -1 with an error.
 */
int swap_setup_read_state (struct swap_setup *s);

/* Do all steps.  SIGINT and SIGTERM make it end after the present one.  Each
 * step is printed.  0, or -1 when one failed: that has been reported, and
 * everything is undone.
 */
int swap_setup_run (struct swap_setup *s);

#endif /* NBDZRAM_COMMAND_SWAP_SETUP_H */
