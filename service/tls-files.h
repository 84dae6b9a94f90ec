/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the files of TLS before a server is started.  GnuTLS would report
 * a mistake too late: it reads the file of keys at each connection, and takes
 * an empty list of authorities, by which it then refuses every client.
 */

#ifndef NBDZRAM_SERVICE_TLS_FILES_H
#define NBDZRAM_SERVICE_TLS_FILES_H

#include <stddef.h>

/* Is the file at PATH a list of shared keys, as psktool writes it: lines of
 * USER:KEY with hexadecimal keys?  Returns 0, or -1 with a message in ERROR.
 */
int tls_check_psk (const char *path, char *error, size_t size);

/* Does DIRECTORY have the files of a server: ca-cert.pem with a certificate,
 * and server-cert.pem and server-key.pem, which belong together?  Returns 0,
 * or -1 with a message in ERROR.
 */
int tls_check_certificates (const char *directory, char *error, size_t size);

#endif /* NBDZRAM_SERVICE_TLS_FILES_H */
