/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "parse-number.h"
#include "start-barrier.h"

int
start_barrier_pass (void)
{
  const char *value = getenv (START_BARRIER_VARIABLE);
  char byte;
  ssize_t n;
  int fd, err;

  if (!value)
    return 0;
  if (!parse_descriptors (value, &fd, 1))
    return fail_with (EINVAL);
  unsetenv (START_BARRIER_VARIABLE);
  do
    n = read (fd, &byte, 1);
  while (n == -1 && errno == EINTR);
  err = n == 0 ? EOWNERDEAD : errno;
  close (fd);
  errno = err;
  return n == 1 ? 0 : -1;
}
