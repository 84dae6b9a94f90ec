/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks everything that runs for its numbers. */

#ifndef NBDZRAM_COMMAND_METRICS_COLLECT_H
#define NBDZRAM_COMMAND_METRICS_COLLECT_H

#include <stdbool.h>

#include <jansson.h>

/* Seconds until the numbers that have come are all: Prometheus waits ten. */
#define COLLECT_S 5

/* What was found.  Each object has "label", the name of its socket, and
 * "directory", if that is not the directory of this session.
 */
struct collected {
  json_t *servers;              /* replies to "metrics", with what this
                                 * machine knows of their devices; "up" is
                                 * whether the server answers, and is missing
                                 * for a server on another machine */
  json_t *supervisors;          /* replies to "status", with "up" */
};

/* Asks the servers and supervisors called NAME, the server at CONTROL, or all
 * that have a socket, at once.  Returns after COLLECT_S seconds at most: what
 * has not answered then is not up.  QUIET: without messages.  EXIT_OK;
 * EXIT_NO_SERVER if a server does not answer, or none was found; EXIT_USAGE
 * if NAME or CONTROL can't be.  The caller owns C's arrays.
 */
int collect_all (struct collected *c, const char *name, const char *control,
                 bool quiet);

#endif /* NBDZRAM_COMMAND_METRICS_COLLECT_H */
