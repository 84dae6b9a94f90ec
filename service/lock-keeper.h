/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock keeper: a process that shares the server's memory, and so its
 * memory lock, and survives the server.
 *
 * When a server of swap is killed, no process has the pool locked until the
 * next server has attached.  Meanwhile the kernel, which needs memory, could
 * swap the pool out, to the very disk that it holds.
 *
 * The lock keeper only waits for a number in an eventfd.  The supervisor
 * writes it when the next server has locked the pool, or when there will be no
 * next server.  When the server has ended and no number comes for a minute,
 * the lock keeper ends as well.
 */

#ifndef NBDZRAM_SERVICE_LOCK_KEEPER_H
#define NBDZRAM_SERVICE_LOCK_KEEPER_H

#include <sys/types.h>

#define LOCK_KEEPER_NAME "nbdzram-holder"
#define LOCK_KEEPER_SECONDS 60

/* Start the lock keeper.  HOLD is the eventfd, and the only descriptor that it
 * keeps.  A thread of the server sleeps as long as the lock keeper runs.
 * Returns its process id, or -1 with errno.
 */
pid_t lock_keeper_start (int hold);

#endif /* NBDZRAM_SERVICE_LOCK_KEEPER_H */
