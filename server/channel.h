/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel: the bytes between the server and one client, as they are or by
 * TLS.
 *
 * One thread receives.  Any thread may send: what one call sends is not mixed
 * with what another one sends.  A TLS session is one object for both
 * directions, so there receiving takes the lock of sending, too, but does not
 * wait with it.  A sender may wait with it: then nothing is received.
 */

#ifndef NBDZRAM_SERVER_CHANNEL_H
#define NBDZRAM_SERVER_CHANNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tls.h"

/* Polling for the next request before waiting for it: a client that sends it
 * at once finds the thread on a processor.  In the same machine that saves a
 * third of the time of a request, and costs processor time.
 */
struct busy_poll {
  unsigned max;                 /* nanoseconds; 0: never */
  bool adapts;                  /* poll only for clients that are so fast */
  unsigned now;                 /* nanoseconds for the next request */
};

/* What busy-poll=auto polls at most: longer gained nothing. */
#define BUSY_POLL_AUTO_NSEC 30000

struct channel {
  int fd;
  struct tls_session *tls;      /* NULL: plain */
  pthread_mutex_t sending;
  uint64_t deadline;            /* of latency_clock; when receiving and
                                 * sending fail with ETIMEDOUT; 0: never */
  struct busy_poll busy_poll;
};

void channel_init (struct channel *c);

/* Use the socket FD, which is plain until channel_start_tls. */
void channel_open (struct channel *c, int fd);

/* End TLS, if CLEANLY, and close the socket. */
void channel_close (struct channel *c, bool cleanly);

/* Make the thread that waits in channel_receive return 0, and with SENDING
 * those that send fail.  Any thread may call this between channel_open and
 * channel_close.
 */
void channel_shutdown (struct channel *c, bool sending);

/* Do the server's part of a TLS handshake.  Returns 0, or -1 with a message
 * in *WHY.
 */
int channel_start_tls (struct channel *c, const struct tls_credentials *t,
                       const char **why);

/* Wait for bytes, and put up to SIZE of them in BUF.  Returns how many, 0 at
 * the end, or -1 with errno: EAGAIN when none came for CHANNEL_IDLE_SECONDS,
 * ETIMEDOUT, ECONNRESET...
 */
#define CHANNEL_IDLE_SECONDS 10
ssize_t channel_receive (struct channel *c, void *buf, size_t size);

/* Send SIZE bytes.  Returns 0, or -1 with errno: a part may have been sent,
 * and the channel is of no more use.
 */
int channel_send (struct channel *c, const void *buf, size_t size);

#endif /* NBDZRAM_SERVER_CHANNEL_H */
