/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD client: a disk that an NBD server exports.  The server may run on
 * another machine, and may go away and come back.
 *
 *   a thread that reads, writes or trims
 *     -> queues its requests at the connection with the fewest requests, or,
 *        while there is no connection, in the list of waiting requests
 *     -> the connection's thread sends them, receives the replies, and
 *        connects again when the connection ends
 *
 * Each connection has a thread, and no other thread uses its libnbd handle.
 * So a name server or a handshake that hangs delays no other connection, and
 * when a thread has closed its handle, libnbd uses no buffer of a caller.
 *
 * A read whose connection ends is sent again.  A write or trim is not: the
 * server may still execute it, after later requests.  So it fails, and its
 * caller is told that the result is unsure.
 *
 * When a server answers no request of a connection for a third of the
 * timeout, or for the time that the options say, the connection is closed
 * and a new one made.
 *
 * Before a connection is used, the first block of the disk is read and passed
 * to a callback, which says whether this is the right disk.  So a server that
 * comes back with other content is never asked for any of it.
 */

#ifndef NBDZRAM_BACKING_NBD_CLIENT_H
#define NBDZRAM_BACKING_NBD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io-run.h"

/* Bytes of the first block.  Requests are whole blocks. */
#define NBD_DISK_BLOCK 4096

/* Connections to a server that accepts several, at most. */
#define NBD_CONNECTIONS_MAX 4

struct nbd_client;

struct nbd_client_options {
  const char *uri;              /* copied */
  unsigned timeout;             /* seconds that a read waits */
  uint64_t stall_max;           /* milliseconds without an answer, at most;
                                 * 0: a third of the timeout */
  bool may_be_away;             /* when it is opened */
  void (*log) (const char *text); /* one line, from any thread; or NULL */
};

struct nbd_client_stats {
  unsigned connections;         /* now */
  uint64_t reconnects;          /* since the start */
  bool is_wrong;                /* the disk that came back is another one */
};

/* Connect once, from the calling thread, which also sends and receives until
 * nbd_client_disconnect: for what must be known before a fork.
 *
 * Returns NULL with what is wrong, one line, in ERROR of SIZE bytes.  If the
 * server can't be reached, but may be away, that line is in ERROR, too, and
 * the client is returned.  Otherwise ERROR is empty.
 */
struct nbd_client *nbd_client_open (const struct nbd_client_options *o,
                                    char *error, size_t size);

/* Disconnect: requests fail with ENOTCONN until nbd_client_start.  The caller
 * has checked that the disk, if it was connected to, is the right one.
 */
void nbd_client_disconnect (struct nbd_client *f);

/* Start the threads, which connect, and wait a moment for a connection.  They
 * call IS_RIGHT with the first NBD_DISK_BLOCK bytes.  Returns 0, or -1 with
 * errno EAGAIN; then some threads may run.
 */
int nbd_client_start (struct nbd_client *f,
                      bool (*is_right) (void *opaque, const void *block),
                      void *opaque);

/* End the threads: IS_RIGHT is not called after this returns.  No other
 * thread may be waiting for a request.  NULL does nothing.
 */
void nbd_client_stop (struct nbd_client *f);

/* Stop, and free all.  NULL does nothing. */
void nbd_client_close (struct nbd_client *f);

/* The first block is no longer the right one: end all connections, and fail
 * requests with EIO until a new connection finds the right first block.
 */
void nbd_client_mark_wrong (struct nbd_client *f);

/* The size in bytes as of the first connection to the right disk.  Before
 * that, 0 or the size of the disk that was connected to last.
 */
uint64_t nbd_client_size (struct nbd_client *f);

/* The same for trims; but false as soon as one connection can't trim. */
bool nbd_client_can_trim (struct nbd_client *f);

bool nbd_client_is_connected (struct nbd_client *f);
void nbd_client_get_stats (struct nbd_client *f, struct nbd_client_stats *st);

/* Requests, by any thread.  They allocate nothing, but libnbd does.  They
 * return 0, or -1 with errno:
 *   ENOTCONN    there is no connection, or it ended
 *   ETIMEDOUT   the server did not come back in time
 *   EIO         another disk came back
 *   others      what the server says
 */

/* A PATIENT caller waits for a connection; the timeout limits the whole
 * wait.
 */
int nbd_client_read (struct nbd_client *f, void *buf, size_t len,
                     uint64_t offset, bool patient);

/* Runs are cut into pieces, many of which are sent without waiting for a
 * reply, on all connections.  If the server has FUA, what is written also
 * survives a loss of power: otherwise the server could come back as if
 * nothing had happened, and no client would know that its cache was lost.
 * After an error, *UNSURE says whether some of it may still be written.
 */
int nbd_client_write (struct nbd_client *f, const struct io_run *runs,
                      unsigned count, bool *unsure);

/* The same in two steps, for a caller that writes to several servers: begin
 * sends as many pieces as possible without waiting, end sends the others and
 * waits for all.  W, of nbd_client_write_size bytes, and RUNS stay the
 * client's until end returns.
 */
struct nbd_write_job;

size_t nbd_client_write_size (void);
void nbd_client_write_begin (struct nbd_client *f, struct nbd_write_job *w,
                             const struct io_run *runs, unsigned count);
int nbd_client_write_end (struct nbd_client *f, struct nbd_write_job *w,
                          bool *unsure);

/* LENGTH is at most 2 GiB. */
int nbd_client_trim (struct nbd_client *f, uint64_t offset, uint64_t length,
                     bool *unsure);

#endif /* NBDZRAM_BACKING_NBD_CLIENT_H */
