/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys and certificates of TLS, as far as they can be checked before a
 * client comes: nbdkit reads a file of keys at each connection only, and
 * starts with a list of authorities that is empty, by which it then refuses
 * everybody.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_TLS_FILES_H
#define NBDZRAM_COMMAND_SUPERVISOR_TLS_FILES_H

#include <stddef.h>

/* Is the file at PATH one of shared keys, as psktool makes it: lines of
 * USER:KEY, where the key is hexadecimal?  0, or -1 with a line in ERROR.
 */
int tls_check_psk (const char *path, char *error, size_t size);

/* Has DIRECTORY what a server needs: ca-cert.pem, with a certificate, and
 * server-cert.pem and server-key.pem, which belong together?  0, or -1 with a
 * line in ERROR.
 */
int tls_check_certificates (const char *directory, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_TLS_FILES_H */
