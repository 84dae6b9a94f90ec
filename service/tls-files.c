/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include "lib/base/util.h"

#include "tls-files.h"

#define FILE_MAX (4 * MIB)      /* a system's list of authorities has 200K */

static int
fail_check (const char *path, const char *why, char *error, size_t size)
{
  snprintf (error, size, "%s: %s", path, why);
  return fail_with (EINVAL);
}

/* The content of the file, which the caller owns, or NULL with ERROR. */
static char *
read_file (const char *path, char *error, size_t size)
{
  FILE *f = fopen (path, "re");
  char *text = f ? malloc (FILE_MAX + 1) : NULL;
  const char *why = NULL;
  size_t length = 0;

  if (text)
    length = fread (text, 1, FILE_MAX + 1, f);
  if (!text || ferror (f))
    why = strerror (errno);
  else if (length > FILE_MAX)
    why = "the file is larger than 4 MiB";
  else
    text[length] = '\0';
  if (why) {
    fail_check (path, why, error, size);
    free (text);
    text = NULL;
  }
  if (f)
    fclose (f);
  return text;
}

/* ---- shared keys ---- */

/* Is LINE empty, a comment, which no user name equals, or USER:KEY?  Sets
 * *FOUND for the last.
 */
static bool
is_valid_line (const char *line, bool *found)
{
  const char *key = strchr (line, ':');
  size_t digits;

  if (!key)
    return *line == '\0' || *line == '#';
  digits = strspn (key + 1, "0123456789abcdefABCDEF");
  *found = true;
  return key > line && digits > 0 && digits % 2 == 0
    && key[1 + digits] == '\0';
}

int
tls_check_psk (const char *path, char *error, size_t size)
{
  char *text = read_file (path, error, size), *rest = text, *line;
  char why[80];
  unsigned number = 0;
  bool found = false, valid = true;

  if (!text)
    return -1;
  while (valid && (line = strsep (&rest, "\n")) != NULL) {
    valid = is_valid_line (line, &found);
    ++number;
  }
  free (text);
  if (found && valid)
    return 0;
  if (valid)
    return fail_check (path, "the file has no key", error, size);
  snprintf (why, sizeof why, "line %u is not USER:KEY with a hexadecimal "
            "key", number);
  return fail_check (path, why, error, size);
}

/* ---- certificates ---- */

/* Store DIRECTORY/NAME in PATH, and check that the file can be read. */
static int
check_readable (char path[PATH_MAX], const char *directory, const char *name,
                char *error, size_t size)
{
  char *text;

  snprintf (path, PATH_MAX, "%s/%s", directory, name);
  text = read_file (path, error, size);
  free (text);
  return text ? 0 : -1;
}

static int
check_authorities (gnutls_certificate_credentials_t c, const char *directory,
                   char *error, size_t size)
{
  char path[PATH_MAX];
  int r;

  if (check_readable (path, directory, "ca-cert.pem", error, size) == -1)
    return -1;
  r = gnutls_certificate_set_x509_trust_file (c, path, GNUTLS_X509_FMT_PEM);
  if (r > 0)
    return 0;
  return fail_check (path, r == 0 || r == GNUTLS_E_NO_CERTIFICATE_FOUND
                 ? "the file has no certificate" : gnutls_strerror (r),
                     error, size);
}

static int
check_server (gnutls_certificate_credentials_t c, const char *directory,
              char *error, size_t size)
{
  char cert[PATH_MAX], key[PATH_MAX];
  int r;

  if (check_readable (cert, directory, "server-cert.pem", error, size) == -1
      || check_readable (key, directory, "server-key.pem", error, size) == -1)
    return -1;
  r = gnutls_certificate_set_x509_key_file (c, cert, key,
                                            GNUTLS_X509_FMT_PEM);
  if (r >= 0)
    return 0;
  snprintf (error, size, "%s, %s: %s", cert, key, gnutls_strerror (r));
  return fail_with (EINVAL);
}

int
tls_check_certificates (const char *directory, char *error, size_t size)
{
  gnutls_certificate_credentials_t c;
  int r;

  if (gnutls_certificate_allocate_credentials (&c) < 0)
    return fail_check (directory, strerror (ENOMEM), error, size);
  r = check_authorities (c, directory, error, size) == -1
    || check_server (c, directory, error, size) == -1 ? -1 : 0;
  gnutls_certificate_free_credentials (c);
  return r;
}
