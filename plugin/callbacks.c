/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdbool.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "service/exports.h"
#include "service/hardening.h"
#include "service/requests.h"

#include "callbacks.h"

static size_t hardened_for;      /* bytes of a page; 0: not hardened */

void
callbacks_harden (size_t page_size)
{
  hardened_for = page_size;
}

/* What a thread of nbdkit's needs before its first request, and what the
 * export's bandwidth wants.
 */
static int
begin_request (struct device *d, uint32_t count)
{
  if (hardened_for != 0)
    hardening_thread (hardened_for);
  return exports_begin_request (d, count);
}

int
on_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
          uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, count) == -1)
    return -1;
  return request_read (handle, buf, count, offset, true);
}

int
on_pwrite (void *handle, const void *buf, uint32_t count, uint64_t offset,
           uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, count) == -1)
    return -1;
  return request_write (handle, buf, count, offset, true);
}

int
on_zero (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, 0) == -1)
    return -1;
  return request_zero (handle, count, offset, true);
}

int
on_trim (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  (void) flags;
  if (begin_request (handle, 0) == -1)
    return -1;
  return request_trim (handle, count, offset, true);
}

int
on_flush (void *handle, uint32_t flags)
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
on_extents (void *handle, uint32_t count, uint64_t offset, uint32_t flags,
            struct nbdkit_extents *extents)
{
  struct extents_request req = {
    .extents = extents,
    .one = (flags & NBDKIT_FLAG_REQ_ONE) != 0,
  };

  if (begin_request (handle, 0) == -1)
    return -1;
  return request_extents (handle, count, offset, add_extent, &req);
}
