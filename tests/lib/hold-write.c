/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded: calls wait or fail as long as there is a file of their name in
 * the directory that NBDZRAM_HOLD names.  pwrite waits, but for so many first
 * calls as the file says, and makes the file "held"; memfd_create fails.
 */

#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define EXPORT __attribute__ ((visibility ("default")))

EXPORT ssize_t pwrite64 (int fd, const void *data, size_t length,
                         off64_t offset);
EXPORT int memfd_create (const char *name, unsigned flags);

static bool
is_held (const char *call)
{
  const char *directory = getenv ("NBDZRAM_HOLD");
  char path[4096];

  if (!directory)
    return false;
  snprintf (path, sizeof path, "%s/%s", directory, call);
  return access (path, F_OK) == 0;
}

static void
wait_while_held (void)
{
  static int calls;
  char path[4096];
  int skipped = 0;
  FILE *f;

  if (!is_held ("pwrite")) {
    calls = 0;
    return;
  }
  snprintf (path, sizeof path, "%s/pwrite", getenv ("NBDZRAM_HOLD"));
  f = fopen (path, "re");
  if (f && fscanf (f, "%d", &skipped) != 1)
    skipped = 0;
  if (f)
    fclose (f);
  if (calls++ < skipped)
    return;
  snprintf (path, sizeof path, "%s/held", getenv ("NBDZRAM_HOLD"));
  f = fopen (path, "we");
  if (f)
    fclose (f);
  while (is_held ("pwrite"))
    usleep (10000);
}

/* Named in the assembly, since the C library's header may give pwrite this
 * name itself.
 */
static ssize_t
held_pwrite (int fd, const void *data, size_t length, off64_t offset)
{
  ssize_t (*next) (int, const void *, size_t, off64_t) = NULL;

  *(void **) &next = dlsym (RTLD_NEXT, "pwrite64");
  wait_while_held ();
  return next (fd, data, length, offset);
}

ssize_t
pwrite64 (int fd, const void *data, size_t length, off64_t offset)
{
  return held_pwrite (fd, data, length, offset);
}

#undef pwrite
EXPORT ssize_t plain_pwrite (int fd, const void *data, size_t length,
                             off64_t offset) __asm__ ("pwrite");

ssize_t
plain_pwrite (int fd, const void *data, size_t length, off64_t offset)
{
  return held_pwrite (fd, data, length, offset);
}

int
memfd_create (const char *name, unsigned flags)
{
  int (*next) (const char *, unsigned) = NULL;

  *(void **) &next = dlsym (RTLD_NEXT, "memfd_create");
  if (!is_held ("memfd_create"))
    return next (name, flags);
  errno = ENFILE;
  return -1;
}
