/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Variables that are freed or closed at the end of their scope; errno stays as
 * it is.  They must be initialised: NULL and -1 need no cleanup.  For JSON
 * there is json_auto_t.
 */

#ifndef NBDZRAM_COMMAND_BASE_CLEANUP_H
#define NBDZRAM_COMMAND_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "process.h"

#define CLEANUP_FREE __attribute__ ((cleanup (cleanup_free)))
#define CLEANUP_CLOSE __attribute__ ((cleanup (fd_close)))
#define CLEANUP_FCLOSE __attribute__ ((cleanup (cleanup_fclose)))
#define CLEANUP_CLOSEDIR __attribute__ ((cleanup (cleanup_closedir)))

static inline void
cleanup_free (void *pointer)
{
  int err = errno;

  free (*(void **) pointer);
  errno = err;
}

static inline void
cleanup_fclose (FILE **f)
{
  int err = errno;

  if (*f)
    fclose (*f);
  errno = err;
}

static inline void
cleanup_closedir (DIR **dir)
{
  int err = errno;

  if (*dir)
    closedir (*dir);
  errno = err;
}

#endif /* NBDZRAM_COMMAND_BASE_CLEANUP_H */
