/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts the sockets of /dev/nbdN from which the kernel is reading replies.
 *
 * A worker of the kernel reads the replies of a connection, and ends when the
 * connection is dead.  But it looks up the socket anew for each reply.  If a
 * new socket is handed over after the kernel has found the old one dead by
 * sending, and before the worker did by reading, two workers read the same
 * stream.  Each gets parts of replies, requests end with the bytes of others,
 * and a page of swap is wrong.  (Seen with Linux 6.1 as one wrong page in a
 * few hundred reconnections of a busy device.  The server and the watcher are
 * real-time threads and the worker is not, so they are easily faster.)
 *
 * The names of workers show what they work on, "kworker/u8:1+nbd0-recv",
 * since each device has a workqueue of its own (Linux 5.11).
 */

#ifndef NBDZRAM_COMMAND_ATTACH_NBD_RECEIVERS_H
#define NBDZRAM_COMMAND_ATTACH_NBD_RECEIVERS_H

/* Returns how many workers read for device INDEX at this moment.  A worker
 * that is queued and has not started does not count.  -1: this kernel does
 * not show workers.
 */
int nbd_receivers (int index);

#endif /* NBDZRAM_COMMAND_ATTACH_NBD_RECEIVERS_H */
