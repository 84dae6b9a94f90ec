/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Being one of a supervisor's servers: NBDZRAM_SUPERVISED=READY,HOLD in the
 * environment names two descriptors.
 *
 *   READY  a pipe, to which go lines: "waiting" when another server has
 *          the pool, "ready VERSION HOLDERPID" when this one is to serve
 *   HOLD   an eventfd, with which the holder (lock-keeper.h) is let go
 */

#ifndef NBDZRAM_SERVICE_SUPERVISED_H
#define NBDZRAM_SERVICE_SUPERVISED_H

#include <stdbool.h>
#include <sys/types.h>

struct supervised {
  bool on;
  int ready, hold;
};

/* Read the environment, and take the variable out of it.  0, or -1 with
 * errno EINVAL (it makes no sense), EBADF.
 */
int supervised_init (struct supervised *s);

/* Say that the pool at PATH has another server, and wait until it has
 * none.  0, or -1 with errno; EINTR when a signal came.
 */
int supervised_wait (const struct supervised *s, const char *path);

/* Say that this one is ready; HOLDER 0: there is no holder.  0, or -1 with
 * errno.
 */
int supervised_ready (const struct supervised *s, pid_t holder);

#endif /* NBDZRAM_SERVICE_SUPERVISED_H */
