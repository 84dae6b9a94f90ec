/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <xxhash.h>

#include "backing.h"
#include "backing-internal.h"
#include "os.h"

/* "nbdzbak" and a byte. */
#define HEADER_MAGIC UINT64_C (0x6e62647a62616b01)
#define HEADER_VERSION 1

/* So much of a device must be zeroes: partition tables, file systems and
 * the like have something there.
 */
#define BLANK_BYTES MIB

struct header {
  uint64_t magic;
  uint64_t sum;                 /* of what follows */
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

static bool
header_valid (const struct header *h)
{
  return h->magic == HEADER_MAGIC && h->sum == header_sum (h)
    && h->version == HEADER_VERSION;
}

bool
backing_is_header_of (const struct backing *b, const void *block)
{
  const struct header *h = block;

  return header_valid (h) && memcmp (h->id, b->id, sizeof b->id) == 0;
}

/* ---- what is in it ---- */

/* Slots may name all that a file has, even if less is now to be used. */
static int
find_size (struct backing *b, const struct backing_options *o,
           uint64_t file_size)
{
  uint64_t size = o->size;

  if (size > BACKING_SIZE_MAX) {
    errno = EFBIG;
    return -1;
  }
  if (b->is_device)
    size = size == 0 ? file_size : MIN (size, file_size);
  size = MIN (size, BACKING_SIZE_MAX);
  if (size < BACKING_BLOCK + o->page_size) {
    errno = EINVAL;
    return -1;
  }
  b->limit = (uint32_t) (size / BACKING_BLOCK);
  b->blocks = b->limit;
  if (o->expected_id)
    b->blocks = MAX (b->limit, (uint32_t) (MIN (file_size, BACKING_SIZE_MAX)
                                           / BACKING_BLOCK));
  return 0;
}

static int
read_all (struct backing *b, void *buf, size_t len)
{
  return b->kind->read (b, buf, len, len, 0, false);
}

/* 1: yes, 0: no, -1 with errno. */
static int
is_blank (struct backing *b, uint64_t file_size)
{
  size_t len = MIN (BLANK_BYTES, (uint64_t) b->blocks * BACKING_BLOCK);
  char *buf;
  int blank;

  if (!b->is_device)
    return file_size == 0;
  buf = os_map_anon (len);
  if (!buf)
    return -1;
  blank = read_all (b, buf, len) == -1
    ? -1 : buf[0] == 0 && memcmp (buf, buf + 1, len - 1) == 0;
  os_unmap (buf, len);
  return blank;
}

/* With an id of its own, since what slots of another pool say of it is
 * no longer true.
 */
static int
take_over (struct backing *b, const struct backing_options *o, void *block)
{
  const struct backing_run run = { block, BACKING_BLOCK, 0 };
  struct header *h = block;
  bool unsure;

  if (getrandom (b->id, sizeof b->id, 0) != sizeof b->id)
    return -1;
  memset (block, 0, BACKING_BLOCK);
  h->magic = HEADER_MAGIC;
  h->version = HEADER_VERSION;
  h->page_size = o->page_size;
  memcpy (h->id, b->id, sizeof h->id);
  memcpy (h->pool_id, o->pool_id, sizeof h->pool_id);
  os_boot_id (h->boot_id);
  h->pool_is_kept = o->pool_is_kept;
  h->sum = header_sum (h);
  b->taken_over = true;
  if (b->kind->write (b, &run, 1, &unsure) == -1)
    return -1;
  return b->kind->cut (b, BACKING_BLOCK);
}

static bool
may_be_needed (const struct header *h, const struct backing_options *o)
{
  uint8_t boot_id[OS_BOOT_ID_SIZE];

  os_boot_id (boot_id);
  return h->pool_is_kept
    && memcmp (h->boot_id, boot_id, sizeof boot_id) == 0
    && memcmp (h->pool_id, o->pool_id, BACKING_ID_SIZE) != 0;
}

static int
examine (struct backing *b, const struct backing_options *o,
         uint64_t file_size, void *block)
{
  const struct header *h = block;
  int blank = 0;
  bool ours;

  if (!b->is_device && file_size < BACKING_BLOCK)
    ours = false;
  else if (read_all (b, block, BACKING_BLOCK) == -1)
    return -1;
  else
    ours = header_valid (h);

  if (o->expected_id) {
    if (ours && h->page_size == o->page_size
        && memcmp (h->id, o->expected_id, BACKING_ID_SIZE) == 0
        && memcmp (h->pool_id, o->pool_id, BACKING_ID_SIZE) == 0) {
      memcpy (b->id, h->id, sizeof b->id);
      return 0;
    }
    errno = ESTALE;
    return -1;
  }
  if (!ours)
    blank = is_blank (b, file_size);
  if (blank == -1)
    return -1;
  if (!ours && !blank) {
    errno = EEXIST;
    return -1;
  }
  if (ours && may_be_needed (h, o)) {
    errno = ENOTEMPTY;
    return -1;
  }
  return take_over (b, o, block);
}

/* ---- opening ---- */

static int
open_kind (struct backing *b, const struct backing_options *o)
{
  uint64_t size;
  void *block;
  int r = -1;

  if (b->kind->open (b, o, &size) == -1)
    return -1;
  block = os_map_anon (BACKING_BLOCK);
  if (!block)
    return -1;
  /* What can fail without a trace comes before the header is written. */
  if (find_size (b, o, size) == 0 && space_open (b) == 0)
    r = examine (b, o, size, block);
  os_unmap (block, BACKING_BLOCK);
  return r;
}

bool
backing_is_uri (const char *path)
{
  const char *rest = path + strspn (path, "abcdefghijklmnopqrstuvwxyz+");

  return strncmp (path, "nbd", 3) == 0 && strncmp (rest, "://", 3) == 0;
}

static const struct backing_kind *
choose_kind (const struct backing_options *o)
{
  if (!backing_is_uri (o->path))
    return &backing_file;
#ifdef HAVE_BACKING_NBD
  return &backing_nbd;
#else
  snprintf (o->error, o->error_size, "this was built without NBD for backing");
  errno = EREMOTEIO;
  return NULL;
#endif
}

int
backing_open (struct backing *b, const struct backing_options *o)
{
  int err;

  *b = (struct backing) {
    .kind = choose_kind (o), .io = &backing_system_io, .budget = o->budget,
    .fd = -1,
  };
  if (b->kind && open_kind (b, o) == 0) {
    if (b->kind->rest)
      b->kind->rest (b);
    return 0;
  }
  err = errno;
  if (b->is_new)
    unlink (o->path);
  backing_close (b);
  errno = err;
  return -1;
}

int
backing_start (struct backing *b)
{
  return b->kind->start ? b->kind->start (b) : 0;
}

void
backing_close (struct backing *b)
{
  if (b->kind)
    b->kind->close (b);
  space_close (b);
}

void
backing_attach_done (struct backing *b)
{
  if (b->can_give_back)
    b->kind->find_space (b);
}
