/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "cleanup.h"
#include "kernel-file.h"

int
kernel_file_path (char *real, size_t size, const char *path)
{
  const char *root = secure_getenv ("NBDZRAM_ROOT");
  int len = snprintf (real, size, "%s%s", root ? root : "", path);

  if (len >= 0 && (size_t) len < size)
    return 0;
  return fail_with (ENAMETOOLONG);
}

static int
open_file (const char *path, int flags)
{
  char real[PATH_MAX];

  return kernel_file_path (real, sizeof real, path) == -1
    ? -1 : open (real, flags | O_CLOEXEC);
}

ssize_t
kernel_file_read (const char *path, char *buf, size_t size)
{
  CLEANUP_CLOSE int fd = open_file (path, O_RDONLY);
  size_t length = 0;
  ssize_t n = 0;

  if (fd == -1)
    return -1;
  /* A file of /proc may need several reads. */
  while (length < size - 1
         && ((n = read (fd, buf + length, size - 1 - length)) > 0
             || (n == -1 && errno == EINTR)))
    length += n > 0 ? (size_t) n : 0;
  if (n == -1)
    return -1;
  if (length > 0 && buf[length - 1] == '\n')
    length--;
  buf[length] = '\0';
  return (ssize_t) length;
}

int
kernel_file_number (const char *path, uint64_t *n)
{
  char buf[KERNEL_VALUE_SIZE], *end;

  if (kernel_file_read (path, buf, sizeof buf) == -1)
    return -1;
  errno = 0;
  *n = strtoull (buf, &end, 10);
  if (errno == 0 && buf[0] >= '0' && buf[0] <= '9' && *end == '\0')
    return 0;
  return fail_with (EINVAL);
}

int
kernel_file_field (const char *path, const char *key, int base, uint64_t *n)
{
  CLEANUP_FCLOSE FILE *fp = kernel_file_open (path);
  size_t length = strlen (key);
  char line[512];

  if (!fp)
    return -1;
  while (fgets (line, sizeof line, fp))
    if (strncmp (line, key, length) == 0 && line[length] == ':') {
      const char *value = line + length + 1;
      char *end;

      *n = strtoull (value, &end, base);
      errno = EINVAL;
      return end == value ? -1 : 0;
    }
  return fail_with (ENODATA);
}

int
kernel_file_write (const char *path, const char *value)
{
  CLEANUP_CLOSE int fd = open_file (path, O_WRONLY | O_TRUNC);
  size_t length = strlen (value);
  ssize_t n;

  if (fd == -1)
    return -1;
  /* The kernel accepts a value as a whole or not at all. */
  do
    n = write (fd, value, length);
  while (n == -1 && errno == EINTR);
  if (n == (ssize_t) length)
    return 0;
  if (n != -1)
    errno = EIO;
  return -1;
}

FILE *
kernel_file_open (const char *path)
{
  char real[PATH_MAX];

  return kernel_file_path (real, sizeof real, path) == -1
    ? NULL : fopen (real, "re");
}

DIR *
kernel_file_opendir (const char *path)
{
  char real[PATH_MAX];

  return kernel_file_path (real, sizeof real, path) == -1
    ? NULL : opendir (real);
}

bool
kernel_file_exists (const char *path)
{
  char real[PATH_MAX];

  return kernel_file_path (real, sizeof real, path) == 0
    && access (real, F_OK) == 0;
}

int
kernel_file_memory (uint64_t *available, uint64_t *ram)
{
  static const char file[] = "/proc/meminfo";

  if (kernel_file_field (file, "MemAvailable", 10, available) == -1
      || kernel_file_field (file, "MemTotal", 10, ram) == -1)
    return -1;
  *available *= KIB;
  *ram *= KIB;
  return 0;
}
