/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The holder: a process that shares this one's memory, and so its lock,
 * and survives it.
 *
 * When a server of swap is killed, nobody has the pool locked until the
 * next one has attached; and the kernel, which is looking for memory, could
 * swap it out, to the very disk that it holds.
 *
 * It does nothing but wait for a number in an eventfd, which whoever
 * started the server writes when the next one has locked the pool, or
 * when there won't be one.  When the server has gone and nobody says
 * anything for a minute, it goes as well.
 */

#ifndef NBDZRAM_SERVICE_LOCK_KEEPER_H
#define NBDZRAM_SERVICE_LOCK_KEEPER_H

#include <sys/types.h>

#define LOCK_KEEPER_NAME "nbdzram-holder"
#define LOCK_KEEPER_SECONDS 60

/* Start it; HOLD is the eventfd, and the only descriptor that it keeps.
 * A thread of this process sleeps as long as it lives.  Returns its process
 * id, or -1 with errno.
 */
pid_t lock_keeper_start (int hold);

#endif /* NBDZRAM_SERVICE_LOCK_KEEPER_H */
