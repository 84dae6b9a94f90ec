/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first block of a backing file: which pool it belongs to. */

#include <config.h>

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include <xxhash.h>

#include "lib/base/os.h"

#include "backing.h"
#include "internal.h"

/* "nbdzbak" and a byte. */
#define HEADER_MAGIC UINT64_C (0x6e62647a62616b01)
#define HEADER_VERSION 1

struct header {
  uint64_t magic;
  uint64_t sum;                 /* of all that follows */
  uint32_t version;
  uint32_t page_size;
  uint8_t id[BACKING_ID_SIZE];
  uint8_t pool_id[BACKING_ID_SIZE];
  uint8_t boot_id[OS_BOOT_ID_SIZE];
  uint32_t pool_is_kept;
  uint32_t reserved;
};

static uint64_t
header_sum (const struct header *h)
{
  return XXH3_64bits (&h->version,
                      sizeof *h - offsetof (struct header, version));
}

/* A block may be at any address, so its header is copied before its fields
 * are read.
 */
static struct header
copy_header (const void *block)
{
  struct header h;

  memcpy (&h, block, sizeof h);
  return h;
}

const uint8_t *
header_id (const void *block)
{
  const struct header h = copy_header (block);

  return h.magic == HEADER_MAGIC && h.sum == header_sum (&h)
    && h.version == HEADER_VERSION
    ? (const uint8_t *) block + offsetof (struct header, id) : NULL;
}

bool
header_is_of (const void *block, const struct backing_options *o)
{
  const struct header h = copy_header (block);

  return h.page_size == o->page_size
    && memcmp (h.pool_id, o->pool_id, BACKING_ID_SIZE) == 0;
}

bool
header_is_needed (const void *block, const struct backing_options *o)
{
  const struct header h = copy_header (block);
  uint8_t boot_id[OS_BOOT_ID_SIZE];

  os_boot_id (boot_id);
  return h.pool_is_kept
    && memcmp (h.boot_id, boot_id, sizeof boot_id) == 0
    && memcmp (h.pool_id, o->pool_id, BACKING_ID_SIZE) != 0;
}

enum backing_error_reason
header_refusal (const void *block, const uint8_t *id,
                const struct backing_options *o, int blank)
{
  if (id)
    return header_is_needed (block, o) ? BACKING_ERROR_OTHER_POOL
                                       : BACKING_ERROR_NONE;
  return blank == -1 ? BACKING_ERROR_SYSTEM
    : blank == 0 ? BACKING_ERROR_OCCUPIED : BACKING_ERROR_NONE;
}

int
header_make (void *block, const struct backing_options *o,
             uint8_t id[BACKING_ID_SIZE])
{
  struct header h = {
    .magic = HEADER_MAGIC, .version = HEADER_VERSION,
    .page_size = o->page_size, .pool_is_kept = o->pool_is_kept,
  };

  if (getrandom (id, BACKING_ID_SIZE, 0) != BACKING_ID_SIZE)
    return -1;
  memcpy (h.id, id, sizeof h.id);
  memcpy (h.pool_id, o->pool_id, sizeof h.pool_id);
  os_boot_id (h.boot_id);
  h.sum = header_sum (&h);
  memset (block, 0, BACKING_BLOCK);
  memcpy (block, &h, sizeof h);
  return 0;
}
