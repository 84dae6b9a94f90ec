/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command of --run, a child of the server. */

#ifndef NBDZRAM_SERVER_RUN_H
#define NBDZRAM_SERVER_RUN_H

#include <sys/types.h>

#include "listeners.h"
#include "options.h"

/* Start the shell command of O with $uri and others.  It has none of the
 * server's hardening.  Returns its process, or -1 after a line in the log.
 */
pid_t run_start (const struct options *o, const struct listeners *l);

/* The exit code of the server for the STATUS of its command. */
int run_exit_code (int status);

#endif /* NBDZRAM_SERVER_RUN_H */
