/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/os.h"
#include "lib/base/util.h"

#include "buffer.h"

static uint8_t *
map (size_t size)
{
  void *p = mmap (NULL, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (p != MAP_FAILED)
    return p;
  errno = ENOMEM;               /* it may be EAGAIN, which means to wait */
  return NULL;
}

int
buffer_open (struct buffer *b, size_t size)
{
  *b = (struct buffer) { .bytes = map (size), .size = size, .opened = size };
  return b->bytes ? 0 : -1;
}

void
buffer_touch (struct buffer *b)
{
  for (size_t i = 0; i < b->size; i += OS_PAGE_SIZE)
    *(volatile uint8_t *) &b->bytes[i] = 0;
}

void
buffer_close (struct buffer *b)
{
  if (b->bytes)
    munmap (b->bytes, b->size);
  *b = (struct buffer) { .bytes = NULL };
}

/* Moves what B holds to the beginning of NEW, which may be its own memory. */
static void
move_to (struct buffer *b, uint8_t *new)
{
  size_t used = buffer_used (b);

  memmove (new, b->bytes + b->start, used);
  b->start = 0;
  b->end = used;
}

int
buffer_reserve (struct buffer *b, size_t size)
{
  uint8_t *bytes;

  if (size <= b->size - b->start)
    return 0;
  if (size <= b->size) {
    move_to (b, b->bytes);
    return 0;
  }
  size = align_up (size, OS_PAGE_SIZE);
  bytes = map (size);
  if (!bytes)
    return -1;
  move_to (b, bytes);
  munmap (b->bytes, b->size);
  b->bytes = bytes;
  b->size = size;
  return 0;
}

/* Unmaps what is above the size that the buffer was opened with. */
static void
shrink (struct buffer *b)
{
  if (b->size > b->opened)
    munmap (b->bytes + b->opened, b->size - b->opened);
  b->size = b->opened;
}

void
buffer_trim (struct buffer *b)
{
  if (b->size == b->opened)
    return;
  buffer_clear (b);
  shrink (b);
  buffer_touch (b);
}

void
buffer_release (struct buffer *b)
{
  if (buffer_used (b) > 0)
    return;
  shrink (b);
  madvise (b->bytes, b->size, MADV_DONTNEED);
}
