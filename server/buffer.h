/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buffers of a connection: bytes that were received and not used yet, and
 * replies that were not sent yet.
 *
 * A buffer has room for several requests of usual sizes, and grows for a
 * larger one.  Its memory is mapped: a part that was never used costs nothing,
 * unless buffer_touch was called.
 */

#ifndef NBDZRAM_SERVER_BUFFER_H
#define NBDZRAM_SERVER_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#define BUFFER_SIZE (512 * 1024) /* of a connection */
#define HEADERS_KIB 16          /* what a reply of KERNEL_REQUEST_KIB needs
                                 * more, or less */

struct buffer {
  uint8_t *bytes;               /* aligned as a page of memory */
  size_t size, opened;          /* now, and at first */
  size_t start, end;            /* what it holds */
};

/* With SIZE bytes, a multiple of a page of memory.  Returns 0, or -1 with
 * errno ENOMEM.
 */
int buffer_open (struct buffer *b, size_t size);
void buffer_close (struct buffer *b);

/* Use all its memory once, so that later it needs none. */
void buffer_touch (struct buffer *b);

static inline size_t
buffer_used (const struct buffer *b)
{
  return b->end - b->start;
}

static inline size_t
buffer_room (const struct buffer *b)
{
  return b->size - b->end;
}

/* Make room for SIZE bytes in all, from what the buffer holds on.  This may
 * move what it holds.  Returns 0, or -1 with errno ENOMEM.
 */
int buffer_reserve (struct buffer *b, size_t size);

/* Drop what it holds. */
static inline void
buffer_clear (struct buffer *b)
{
  b->start = b->end = 0;
}

/* Return what a large request needed of an empty buffer, and touch the rest.
 */
void buffer_trim (struct buffer *b);

/* Return the memory of a buffer that is empty to the system, except where it
 * is locked.
 */
void buffer_release (struct buffer *b);

#endif /* NBDZRAM_SERVER_BUFFER_H */
