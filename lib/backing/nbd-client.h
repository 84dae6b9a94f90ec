/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The far end: a disk that an NBD server has, which may be another
 * machine's, and may go away and come back.
 *
 *   who reads, writes or trims
 *     -> the connection with the fewest requests, or, without any,
 *        those that wait
 *     -> its thread, which sends, receives, and connects again
 *
 * Each connection has a thread, and nobody else touches its handle: a
 * name server or a handshake that hangs keeps nobody else waiting, and
 * when a thread has closed its handle, no buffer of a caller is in use.
 *
 * A read whose connection ends is sent again.  A write or trim is not: it
 * may still be done, after others that came later, so it fails, and its
 * caller is told that it is not sure.
 *
 * A server that does not answer any request of a connection for a third
 * of the timeout, or as its user says, is left, and connected to again.
 *
 * Before a connection is used, the first block of the disk is read and
 * shown to who knows whether it is the right one, so that what comes back
 * with other content is never asked for anything.
 */

#ifndef NBDZRAM_BACKING_NBD_CLIENT_H
#define NBDZRAM_BACKING_NBD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "internal.h"

/* At most, of a server that says that it takes several. */
#define FAR_END_CONNECTIONS 4

struct nbd_client;

struct nbd_client_options {
  const char *uri;              /* copied */
  unsigned timeout;             /* seconds that a read waits */
  uint64_t stall_max;           /* milliseconds without an answer, at most;
                                 * 0: as the timeout says */
  bool may_be_away;             /* when it is opened */
  void (*log) (const char *text); /* one line, from any thread; or NULL */
};

struct nbd_client_stats {
  unsigned connections;         /* now */
  uint64_t reconnects;          /* since the start */
  bool is_wrong;                /* something else came back */
};

/* Connect once, from the calling thread, which also does the work of
 * requests until nbd_client_disconnect: for what must be known before a fork.  One
 * that may be away, and is, only says so in ERROR, which is empty
 * otherwise.
 * NULL with what is wrong, one line, in ERROR of SIZE bytes.
 */
struct nbd_client *nbd_client_open (const struct nbd_client_options *o,
                                    char *error, size_t size);

/* Disconnect: requests fail with ENOTCONN until nbd_client_start.  If there was
 * a connection, it was to the right one.
 */
void nbd_client_disconnect (struct nbd_client *f);

/* Start the threads, which connect, and wait for that a moment.  IS_RIGHT
 * is called by them, with the first BACKING_BLOCK bytes.  0, or -1 with
 * errno EAGAIN, and some may run.
 */
int nbd_client_start (struct nbd_client *f,
                      bool (*is_right) (void *opaque, const void *block),
                      void *opaque);

/* End the threads: IS_RIGHT is not called any more when this returns.  No
 * thread of the caller waits for a request.  NULL does nothing.
 */
void nbd_client_stop (struct nbd_client *f);

/* Stop, and free all.  NULL does nothing. */
void nbd_client_close (struct nbd_client *f);

/* The first block is no longer the right one: leave all connections.  Each
 * new one looks for itself.
 */
void nbd_client_verify (struct nbd_client *f);

/* Of the disk, when the right one was first connected to; nothing, or of
 * whatever was there, before that.
 */
uint64_t nbd_client_size (struct nbd_client *f);
bool nbd_client_can_trim (struct nbd_client *f); /* and all that came later */

/* Is there a connection? */
bool nbd_client_is_connected (struct nbd_client *f);
void nbd_client_get_stats (struct nbd_client *f, struct nbd_client_stats *st);

/* Requests, by any thread; nothing is allocated here, but libnbd does.
 * 0, or -1 with errno:
 *   ENOTCONN    there is no connection, or it ended
 *   ETIMEDOUT   none came back in time
 *   EIO         what came back is something else
 *   others      what the server says
 */

/* Who is PATIENT waits for a connection, up to the timeout in all. */
int nbd_client_read (struct nbd_client *f, void *buf, size_t len,
                     uint64_t offset, bool patient);

/* Runs are cut to pieces, of which many are under way at a time, on all
 * connections.  What is written is there also after a loss of power, if the
 * server can promise that (FUA): it may come back as if nothing had
 * happened, so nobody would ask whether its cache was lost.  After an error,
 * *UNSURE is whether some may yet be written.
 */
int nbd_client_write (struct nbd_client *f, const struct backing_run *runs,
                      unsigned count, bool *unsure);

/* The same in two steps, for who writes to several: the first one sends as
 * many pieces as may be under way, the second the others, and waits for
 * all.  W is the caller's, with RUNS, until then.
 */
struct nbd_write_job;

size_t nbd_client_write_size (void);
void nbd_client_write_begin (struct nbd_client *f, struct nbd_write_job *w,
                             const struct backing_run *runs, unsigned count);
int nbd_client_write_end (struct nbd_client *f, struct nbd_write_job *w,
                          bool *unsure);

/* LENGTH is at most 2 GiB. */
int nbd_client_trim (struct nbd_client *f, uint64_t offset, uint64_t length,
                     bool *unsure);

#endif /* NBDZRAM_BACKING_NBD_CLIENT_H */
