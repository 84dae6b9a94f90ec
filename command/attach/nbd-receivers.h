/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many sockets of /dev/nbdN the kernel is reading replies from.
 *
 * A worker of the kernel reads the replies of a connection, and ends when
 * that is dead.  But which socket it reads it looks up anew for each
 * reply.  If another one is handed over after the kernel has found the
 * old one dead by sending, and before the worker did by reading, two
 * workers read the same stream: each gets parts of replies, requests end
 * with the bytes of others, and a page of swap is wrong.  (Seen with
 * Linux 6.1, as one wrong page in a few hundred reconnections of a busy
 * device; since the server and the watcher are real-time threads, and the
 * worker is not, they are easily quicker.)
 *
 * Workers show what they work on in their names, "kworker/u8:1+nbd0-recv",
 * since each device has its own workqueue (Linux 5.11).
 */

#ifndef NBDZRAM_COMMAND_ATTACH_NBD_RECEIVERS_H
#define NBDZRAM_COMMAND_ATTACH_NBD_RECEIVERS_H

/* The workers that read for device INDEX at this moment, one that was
 * queued and has not begun left out.  -1: this kernel does not tell.
 */
int nbd_receivers (int index);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_RECEIVERS_H */
