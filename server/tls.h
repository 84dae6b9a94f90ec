/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS, by GnuTLS: the server's credentials, and sessions on sockets that do
 * not block.
 */

#ifndef NBDZRAM_SERVER_TLS_H
#define NBDZRAM_SERVER_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tls_options {
  const char *certificates;     /* directory of ca-cert.pem, server-cert.pem
                                 * and server-key.pem; or NULL */
  const char *psk;              /* file of USER:KEY lines; or NULL */
  bool verify_peer;             /* clients need a certificate of the CA */
};

struct tls_credentials;
struct tls_session;

/* Read the files.  Returns NULL with a line in ERROR. */
struct tls_credentials *tls_credentials_open (const struct tls_options *o,
                                              char *error, size_t size);
void tls_credentials_close (struct tls_credentials *t);

/* A session on the socket FD, which does not block.  Returns NULL with a
 * message in *WHY.
 */
struct tls_session *tls_session_new (const struct tls_credentials *t, int fd,
                                     const char **why);

/* With CLEANLY, tell the client first. */
void tls_session_close (struct tls_session *s, bool cleanly);

/* Returns 0 when the handshake is done; 1 when the caller has to wait for
 * *EVENTS of poll and call again; -1 with a message in *WHY.
 */
int tls_session_handshake (struct tls_session *s, int *events,
                           const char **why);

/* As recv and send, with errno EAGAIN or ECONNRESET. */
ssize_t tls_session_receive (struct tls_session *s, void *buf, size_t size);
ssize_t tls_session_send (struct tls_session *s, const void *buf,
                          size_t size);

#endif /* NBDZRAM_SERVER_TLS_H */
