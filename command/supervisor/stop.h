/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ending the supervisor: the watchers disconnect their devices, then the
 * server answers the requests that it has and ends, then the supervisor
 * removes its files.  A process that takes too long is killed: no page can
 * be lost by that, since nothing uses the pages any more.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_STOP_H
#define NBDZRAM_COMMAND_SUPERVISOR_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct supervisor;

enum stop_step {
  STOP_BEGIN,
  STOP_WATCHERS,                /* until the watchers have ended */
  STOP_SERVERS,                 /* until the servers have ended */
  STOP_LOCK_KEEPERS,            /* until the lock keepers have ended */
};

struct stop {
  bool requested;
  enum stop_step step;
  int64_t deadline;             /* of the step, in milliseconds */
};

/* Begin to end.  Returns 0, also if that has begun already; or -1 with a
 * message in ERROR: without FORCE a device that is in use as swap is not
 * taken from the kernel.
 */
int stop_begin (struct supervisor *s, bool force, char *error, size_t size);

/* Take the steps that can be taken now; after the last one the supervisor's
 * FINISHED is set.  Returns when to call it again, in milliseconds, or 0.
 */
int64_t stop_poll (struct supervisor *s);

/* Kill what still runs, and remove the supervisor's files. */
void stop_remove_files (struct supervisor *s);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_STOP_H */
