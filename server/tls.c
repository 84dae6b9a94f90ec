/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gnutls/gnutls.h>

#include "lib/base/util.h"
#include "service/set-error.h"
#include "service/tls-files.h"

#include "tls.h"

/* As the priorities of nbdkit and libnbd: keys that both sides share are not
 * among the normal ones.
 */
#define PRIORITY "NORMAL"
#define PRIORITY_PSK "NORMAL:+ECDHE-PSK:+DHE-PSK:+PSK"

struct tls_credentials {
  gnutls_certificate_credentials_t certificates; /* or NULL */
  gnutls_psk_server_credentials_t psk; /* or NULL */
  bool verify_peer;
};

struct tls_session {
  gnutls_session_t session;
  int fd;
  bool eof;                     /* the socket has nothing more to receive */
  bool broken;                  /* closing must not send */
};

/* ---- credentials ---- */

/* Sets ERROR to what GnuTLS says of a file of OPTION.  Returns -1. */
static int
set_tls_error (char *error, size_t size, const char *option, int r)
{
  return set_error (error, size, "%s: %s", option, gnutls_strerror (r));
}

static int
read_certificates (struct tls_credentials *t, const char *directory,
                   char *error, size_t size)
{
  char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX], why[512];
  int r;

  if (tls_check_certificates (directory, why, sizeof why) == -1)
    return set_error (error, size, "--tls-certificates: %s", why);
  snprintf (ca, sizeof ca, "%s/ca-cert.pem", directory);
  snprintf (cert, sizeof cert, "%s/server-cert.pem", directory);
  snprintf (key, sizeof key, "%s/server-key.pem", directory);
  r = gnutls_certificate_allocate_credentials (&t->certificates);
  if (r >= 0)
    r = gnutls_certificate_set_x509_trust_file (t->certificates, ca,
                                                GNUTLS_X509_FMT_PEM);
  if (r >= 0)
    r = gnutls_certificate_set_x509_key_file (t->certificates, cert, key,
                                              GNUTLS_X509_FMT_PEM);
  if (r < 0)
    return set_tls_error (error, size, "--tls-certificates", r);
  gnutls_certificate_set_known_dh_params (t->certificates,
                                          GNUTLS_SEC_PARAM_MEDIUM);
  return 0;
}

static int
read_psk (struct tls_credentials *t, const char *file, char *error,
          size_t size)
{
  char path[PATH_MAX], why[512];
  int r;

  if (tls_check_psk (file, why, sizeof why) == -1)
    return set_error (error, size, "--tls-psk: %s", why);
  /* GnuTLS reads the file at each connection, and in the background the
   * server has another directory.
   */
  if (realpath (file, path))
    file = path;
  r = gnutls_psk_allocate_server_credentials (&t->psk);
  if (r >= 0)
    r = gnutls_psk_set_server_credentials_file (t->psk, file);
  if (r < 0)
    return set_tls_error (error, size, "--tls-psk", r);
  gnutls_psk_set_server_known_dh_params (t->psk, GNUTLS_SEC_PARAM_MEDIUM);
  return 0;
}

struct tls_credentials *
tls_credentials_open (const struct tls_options *o, char *error, size_t size)
{
  struct tls_credentials *t = calloc (1, sizeof *t);

  if (!t) {
    set_error (error, size, "%s", strerror (ENOMEM));
    return NULL;
  }
  t->verify_peer = o->verify_peer;
  if ((!o->psk || read_psk (t, o->psk, error, size) == 0)
      && (!o->certificates
          || read_certificates (t, o->certificates, error, size) == 0))
    return t;
  tls_credentials_close (t);
  return NULL;
}

void
tls_credentials_close (struct tls_credentials *t)
{
  if (!t)
    return;
  if (t->certificates)
    gnutls_certificate_free_credentials (t->certificates);
  if (t->psk)
    gnutls_psk_free_server_credentials (t->psk);
  free (t);
}

/* ---- sessions ---- */

static int
set_credentials (gnutls_session_t s, const struct tls_credentials *t)
{
  int r = gnutls_priority_set_direct (s, t->psk ? PRIORITY_PSK : PRIORITY,
                                      NULL);

  if (r == 0 && t->psk)
    r = gnutls_credentials_set (s, GNUTLS_CRD_PSK, t->psk);
  if (r == 0 && t->certificates)
    r = gnutls_credentials_set (s, GNUTLS_CRD_CERTIFICATE, t->certificates);
  if (r == 0 && t->certificates && t->verify_peer) {
    gnutls_certificate_server_set_request (s, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_cert (s, NULL, 0);
  }
  return r;
}

/* Receives for GnuTLS.  After the end of the file GnuTLS would refuse to send,
 * too, and replies to the last requests are still to be sent.
 */
static ssize_t
pull (gnutls_transport_ptr_t opaque, void *buf, size_t size)
{
  struct tls_session *s = opaque;
  ssize_t n = recv (s->fd, buf, size, 0);

  if (n != 0)
    return n;
  s->eof = true;
  return fail_with (EAGAIN);
}

struct tls_session *
tls_session_new (const struct tls_credentials *t, int fd, const char **why)
{
  struct tls_session *s = calloc (1, sizeof *s);
  int r;

  *why = strerror (ENOMEM);
  if (!s)
    return NULL;
  r = gnutls_init (&s->session, GNUTLS_SERVER | GNUTLS_NONBLOCK
                   | GNUTLS_NO_SIGNAL);
  if (r < 0) {
    *why = gnutls_strerror (r);
    free (s);
    return NULL;
  }
  r = set_credentials (s->session, t);
  if (r < 0) {
    *why = gnutls_strerror (r);
    s->broken = true;
    tls_session_close (s, false);
    return NULL;
  }
  s->fd = fd;
  gnutls_transport_set_ptr2 (s->session, s, (void *) (intptr_t) fd);
  gnutls_transport_set_pull_function (s->session, pull);
  return s;
}

void
tls_session_close (struct tls_session *s, bool cleanly)
{
  /* The socket does not block, so this does not wait for the client. */
  if (cleanly && !s->broken)
    gnutls_bye (s->session, GNUTLS_SHUT_WR);
  gnutls_deinit (s->session);
  free (s);
}

int
tls_session_handshake (struct tls_session *s, int *events, const char **why)
{
  int r;

  do
    r = gnutls_handshake (s->session);
  while (r == GNUTLS_E_INTERRUPTED || (r < 0 && r != GNUTLS_E_AGAIN
                                       && !gnutls_error_is_fatal (r)));
  if (r == GNUTLS_E_AGAIN && !s->eof) {
    *events = gnutls_record_get_direction (s->session) ? POLLOUT : POLLIN;
    return 1;
  }
  if (r == 0)
    return 0;
  s->broken = true;
  *why = s->eof ? "the client closed within the handshake of TLS"
                : gnutls_strerror (r);
  return -1;
}

static ssize_t
end_record (struct tls_session *s, ssize_t n)
{
  if (n >= 0)
    return n;
  if (n == GNUTLS_E_AGAIN || !gnutls_error_is_fatal ((int) n))
    errno = EAGAIN;
  else {
    s->broken = true;
    errno = ECONNRESET;
  }
  return -1;
}

ssize_t
tls_session_receive (struct tls_session *s, void *buf, size_t size)
{
  ssize_t n;

  do
    n = gnutls_record_recv (s->session, buf, size);
  while (n == GNUTLS_E_INTERRUPTED
         || (n < 0 && n != GNUTLS_E_AGAIN && n != GNUTLS_E_REHANDSHAKE
             && !gnutls_error_is_fatal ((int) n)));
  /* A new handshake within the session is not supported. */
  if (n == GNUTLS_E_REHANDSHAKE) {
    s->broken = true;
    return fail_with (ECONNRESET);
  }
  return n == GNUTLS_E_AGAIN && s->eof ? 0 : end_record (s, n);
}

ssize_t
tls_session_send (struct tls_session *s, const void *buf, size_t size)
{
  ssize_t n;

  do
    n = gnutls_record_send (s->session, buf, size);
  while (n == GNUTLS_E_INTERRUPTED);
  return end_record (s, n);
}
