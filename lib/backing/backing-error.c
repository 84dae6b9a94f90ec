/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/util.h"

#include "backing-error.h"

int
backing_error_set (struct backing_error *e, enum backing_error_reason reason)
{
  e->reason = reason;
  if (reason == BACKING_ERROR_SYSTEM)
    e->system = errno;
  return -1;
}

int
backing_error_set_detail (struct backing_error *e, const char *detail)
{
  snprintf (e->detail, sizeof e->detail, "%s", detail);
  return backing_error_set (e, BACKING_ERROR_UNUSABLE);
}

static const char *
reason_text (const struct backing_error *e)
{
  switch (e->reason) {
  case BACKING_ERROR_UNUSABLE:
    return e->detail;
  case BACKING_ERROR_OCCUPIED:
    return "there is something else in it; a file must be new or empty, a "
           "device or an export must begin with 1M of zeroes";
  case BACKING_ERROR_OTHER_POOL:
    return "it has pages of another pool; remove it if that pool is gone";
  case BACKING_ERROR_BUSY:
    return "another process is using it";
  case BACKING_ERROR_UNEXPECTED:
    return "it is not the one that this pool used";
  case BACKING_ERROR_IS_POOL:
    return "it is the pool itself";
  case BACKING_ERROR_FILE_TYPE:
    return "must be a file or a block device";
  case BACKING_ERROR_TOO_SMALL:
    return "a file needs backing-size=, with room for more than a page";
  case BACKING_ERROR_TOO_LARGE:
    return "backing-size= must be at most 2T";
  default:
    return strerror (e->system);
  }
}

void
backing_error_text (const struct backing_error *e, char *text, size_t size)
{
  if (e->reason == BACKING_ERROR_MEM_LIMIT)
    snprintf (text, size, "mem-limit: must be at least %" PRIu64 "K with "
              "these parameters, since backing= needs memory, too",
              e->needed / KIB);
  else
    snprintf (text, size, "backing=%s: %s", e->path, reason_text (e));
}
