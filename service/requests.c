/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>

#include "exports.h"
#include "log.h"
#include "requests.h"

/* The end of a request that needs memory.  R is what the store returned. */
static int
end_request (struct device *d, int r, const char *request, uint64_t count,
             uint64_t offset)
{
  int err = errno;

  if (r == 0) {
    exports_set_full (d, false);
    return 0;
  }
  if (err == EIO)
    log_error ("%s of %" PRIu64 " bytes at %" PRIu64
               ": a page is damaged, or can't be reached",
               request, count, offset);
  else if (err != EAGAIN && !exports_set_full (d, true))
    log_error ("%s of %" PRIu64 " bytes at %" PRIu64 ": %s", request, count,
               offset, err == EDQUOT ? "the export's quota is used up"
                                     : "the pool is full");
  errno = err == EDQUOT ? ENOSPC : err;
  return -1;
}

int
request_read (struct device *d, void *buf, uint32_t count, uint64_t offset,
              bool may_wait)
{
  int r = may_wait ? device_read (d, buf, count, offset)
                   : device_try_read (d, buf, count, offset);

  return r == 0 ? exports_check_removed (d)
                : end_request (d, r, "read", count, offset);
}

int
request_write (struct device *d, const void *buf, uint32_t count,
               uint64_t offset, bool may_wait)
{
  return end_request (d, may_wait ? device_write (d, buf, count, offset)
                                  : device_try_write (d, buf, count, offset),
                      "write", count, offset);
}

static int
zero (struct device *d, uint64_t count, uint64_t offset, bool may_wait)
{
  return may_wait ? device_zero (d, count, offset)
                  : device_try_zero (d, count, offset);
}

int
request_zero (struct device *d, uint64_t count, uint64_t offset,
              bool may_wait)
{
  return end_request (d, zero (d, count, offset, may_wait), "zero", count,
                      offset);
}

int
request_trim (struct device *d, uint64_t count, uint64_t offset,
              bool may_wait)
{
  if (zero (d, count, offset, may_wait) == 0
      || errno == ENOSPC || errno == EDQUOT)
    return 0;
  return end_request (d, -1, "trim", count, offset);
}

int
request_extents (struct device *d, uint64_t count, uint64_t offset,
                 int (*on_extent) (void *opaque, uint64_t offset,
                                   uint64_t length, enum extent_kind kind),
                 void *opaque)
{
  if (device_extents (d, count, offset, on_extent, opaque) == -1
      && errno != 0)
    return -1;
  return exports_check_removed (d);
}
