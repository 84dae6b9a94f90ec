/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "lib/store/device.h"
#include "service/exports.h"
#include "service/hardening.h"

#include "requests.h"

static size_t hardened_for;      /* bytes of a page; 0: not hardened */

void
requests_harden (size_t page_size)
{
  hardened_for = page_size;
}

/* What a thread of nbdkit's needs before its first one, and what the
 * export's bandwidth wants.
 */
static int
begin_request (struct device *d, uint32_t count)
{
  if (hardened_for != 0)
    hardening_thread (hardened_for);
  return exports_begin_request (d, count);
}

/* A full pool, or export, fails requests by the thousand: say it once, until
 * one of that export succeeds again.
 */
static int
report (struct device *d, int r, const char *request, uint32_t count,
        uint64_t offset)
{
  int err = errno;

  if (r == 0) {
    exports_set_full (d, false);
    return 0;
  }
  if (err == EIO)
    nbdkit_error ("%s of %" PRIu32 " bytes at %" PRIu64
                  ": a page is damaged, or can't be reached",
                  request, count, offset);
  else if (!exports_set_full (d, true))
    nbdkit_error ("%s of %" PRIu32 " bytes at %" PRIu64 ": %s", request,
                  count, offset, err == EDQUOT
                  ? "the export's quota is used up" : "the pool is full");
  errno = err == EDQUOT ? ENOSPC : err;
  return -1;
}

int
request_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
               uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, count) == -1)
    return -1;
  if (device_read (handle, buf, count, offset) == 0)
    return exports_check_removed (handle);
  return report (handle, -1, "read", count, offset);
}

int
request_pwrite (void *handle, const void *buf, uint32_t count, uint64_t offset,
                uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, count) == -1)
    return -1;
  return report (handle, device_write (handle, buf, count, offset),
                 "write", count, offset);
}

int
request_zero (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, 0) == -1)
    return -1;
  return report (handle, device_zero (handle, count, offset), "zero", count,
                 offset);
}

/* Clients trim to get memory back, and must not fail for want of it: then
 * parts of pages keep their data, which the protocol allows.
 */
int
request_trim (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, 0) == -1)
    return -1;
  if (device_zero (handle, count, offset) == 0
      || errno == ENOSPC || errno == EDQUOT)
    return 0;
  return report (handle, -1, "trim", count, offset);
}

int
request_flush (void *handle, uint32_t flags)
{
  (void) flags;
  return exports_check_removed (handle);
}

/* ---- extents ---- */

struct extents_request {
  struct nbdkit_extents *extents;
  bool one;                     /* the client wants the first only */
  bool found;                   /* ... and this is another */
  uint32_t type;
};

static int
add_extent (void *opaque, uint64_t offset, uint64_t length,
            enum extent_kind kind)
{
  static const uint32_t types[] = {
    [EXTENT_DATA] = 0,
    [EXTENT_ZERO] = NBDKIT_EXTENT_ZERO,
    [EXTENT_HOLE] = NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO,
  };
  struct extents_request *req = opaque;

  if (req->one && req->found && types[kind] != req->type) {
    errno = 0;
    return -1;
  }
  req->found = true;
  req->type = types[kind];
  return nbdkit_add_extent (req->extents, offset, length, types[kind]);
}

int
request_extents (void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                 struct nbdkit_extents *extents)
{
  struct extents_request req = {
    .extents = extents,
    .one = (flags & NBDKIT_FLAG_REQ_ONE) != 0,
  };

  if (begin_request (handle, 0) == -1)
    return -1;
  if (device_extents (handle, count, offset, add_extent, &req) == -1
      && errno != 0)
    return -1;
  return exports_check_removed (handle);
}
