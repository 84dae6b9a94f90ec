/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server of a supervisor: NBDZRAM_SUPERVISED=READY,HOLD in the
 * environment names two descriptors.
 *
 *   READY  a socket, to which the server writes lines: "waiting" when another
 *          server has the pool, "ready VERSION PID" when it can serve; PID is
 *          that of the lock keeper, or 0
 *   HOLD   an eventfd, which ends the lock keeper (lock-keeper.h)
 */

#ifndef NBDZRAM_SERVICE_SUPERVISED_H
#define NBDZRAM_SERVICE_SUPERVISED_H

#include <stdbool.h>
#include <sys/types.h>

struct supervised {
  bool on;
  int ready, hold;
};

/* Read the variable, and remove it from the environment.  Returns 0, or -1
 * with errno EINVAL (its value is not valid) or EBADF.
 */
int supervised_init (struct supervised *s);

/* Tell the supervisor that another server has the pool at PATH, and wait until
 * none has it.  Returns 0, or -1 with errno; EINTR when a signal came.
 */
int supervised_wait (const struct supervised *s, const char *path);

/* Tell the supervisor that this server is ready.  LOCK_KEEPER is 0 if it has
 * none.  Returns 0, or -1 with errno.
 */
int supervised_ready (const struct supervised *s, pid_t lock_keeper);

#endif /* NBDZRAM_SERVICE_SUPERVISED_H */
