/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request, and its reply.  A page is compressed from where the client's
 * data was received, and decompressed to where the reply is sent from.
 */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/util.h"
#include "service/exports.h"
#include "service/requests.h"

#include "connection.h"
#include "transmission.h"

/* Reads of at least so many bytes leave out what is not stored, where the
 * client understands it.
 */
#define SPARSE_READ_MIN (32 * 1024)

/* The most extents in a reply, of 16 bytes at most: a reply fits into a
 * buffer, and a client asks again.
 */
#define EXTENTS_MAX 8192

/* The only context, base:allocation. */
#define CONTEXT_ID 1

/* ---- replies ---- */

static uint8_t *
end_of (const struct buffer *b)
{
  return b->bytes + b->end;
}

/* The end of what was appended to B is now at P. */
static void
set_end (struct buffer *b, const uint8_t *p)
{
  b->end = (size_t) (p - b->bytes);
}

/* Appends a chunk of SIZE bytes at DATA. */
static void
append_chunk (struct buffer *output, enum nbd_style style,
              const struct nbd_request *r, uint16_t flags, uint16_t type,
              const uint8_t *data, size_t size)
{
  uint8_t *p = nbd_chunk_encode (end_of (output), style, r, flags, type,
                                 size);

  set_end (output, mempcpy (p, data, size));
}

static void
append_simple (struct buffer *output, const struct nbd_request *r,
               enum nbd_error error)
{
  nbd_simple_reply_encode (end_of (output), error, r->cookie);
  output->end += NBD_SIMPLE_REPLY_SIZE;
}

void
reply_error (struct buffer *output, enum nbd_style style,
             const struct nbd_request *r, enum nbd_error error,
             const char *why)
{
  uint8_t data[6 + 128], *p = data;
  size_t length = strnlen (why, sizeof data - 6);

  if (style == NBD_SIMPLE) {
    append_simple (output, r, error);
    return;
  }
  p = nbd_put16 (nbd_put32 (p, error), (uint16_t) length);
  memcpy (p, why, length);
  append_chunk (output, style, r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_ERROR,
                data, 6 + length);
}

/* The reply to a request without data that succeeded.  Structured replies may
 * be simple ones then, which are shorter; extended ones may not.
 */
static void
append_success (struct buffer *output, enum nbd_style style,
                const struct nbd_request *r)
{
  if (style == NBD_EXTENDED)
    append_chunk (output, style, r, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_NONE,
                  (const uint8_t *) "", 0);
  else
    append_simple (output, r, 0);
}

static const char *
describe_errno (int err)
{
  switch (err) {
  case EIO:
    return "a page is damaged, or can't be reached";
  case ENOSPC:
    return "the pool, or the export, is full";
  case ENOMEM:
    return "the server has no memory for the request";
  default:
    return strerrordesc_np (err);
  }
}

/* Where a reply begins, to replace what was appended since. */
struct mark {
  size_t end;
};

/* The end of a request that failed with errno. */
static bool
fail (struct connection *c, struct buffer *output, const struct mark *m,
      const struct nbd_request *r)
{
  int err = errno;

  output->end = m->end;
  if (err == EAGAIN)
    return false;
  if (err == ESHUTDOWN)
    c->ended = true;
  else
    reply_error (output, c->style, r, nbd_error_from_errno (err),
                 describe_errno (err));
  return true;
}

/* ---- reading ---- */

/* A read, and its reply as far as it got. */
struct read {
  struct connection *c;
  struct buffer *output;
  const struct nbd_request *request;
  bool may_wait;
  uint64_t offset, length;      /* data that is not appended yet */
};

/* Reads LENGTH bytes at OFFSET into the reply. */
static int
append_data (const struct read *rd, uint64_t offset, uint64_t length)
{
  uint8_t *p = end_of (rd->output);

  if (rd->c->style == NBD_SIMPLE) {
    append_simple (rd->output, rd->request, 0);
    p = end_of (rd->output);
  }
  else {
    p = nbd_chunk_encode (p, rd->c->style, rd->request,
                          offset + length == rd->request->offset
                          + rd->request->length ? NBD_REPLY_FLAG_DONE : 0,
                          NBD_REPLY_TYPE_OFFSET_DATA, 8 + length);
    p = nbd_put64 (p, offset);
  }
  set_end (rd->output, p + length);
  return request_read (rd->c->device, p, (uint32_t) length, offset,
                       rd->may_wait);
}

static void
append_hole (const struct read *rd, uint64_t offset, uint64_t length)
{
  uint8_t data[12];

  nbd_put32 (nbd_put64 (data, offset), (uint32_t) length);
  append_chunk (rd->output, rd->c->style, rd->request,
                offset + length == rd->request->offset + rd->request->length
                ? NBD_REPLY_FLAG_DONE : 0,
                NBD_REPLY_TYPE_OFFSET_HOLE, data, sizeof data);
}

/* Data is collected as long as extents of data follow each other. */
static int
append_extent (void *opaque, uint64_t offset, uint64_t length,
               enum extent_kind kind)
{
  struct read *rd = opaque;

  if (kind == EXTENT_DATA) {
    if (rd->length == 0)
      rd->offset = offset;
    rd->length += length;
    return 0;
  }
  if (rd->length > 0 && append_data (rd, rd->offset, rd->length) == -1)
    return -1;
  rd->length = 0;
  append_hole (rd, offset, length);
  return 0;
}

/* Room for the reply to a read whose every second page is a hole. */
static size_t
read_room (const struct connection *c, const struct nbd_request *r)
{
  size_t chunks = r->length / c->settings->page_size + 2;

  return r->length + chunks * (NBD_EXTENDED_REPLY_SIZE + 12);
}

static bool
execute_read (struct connection *c, struct buffer *output,
              const struct nbd_request *r, bool may_wait)
{
  struct read rd = {
    .c = c, .output = output, .request = r, .may_wait = may_wait,
  };
  struct mark mark;
  int result;

  if (buffer_reserve (output, buffer_used (output) + read_room (c, r)) == -1)
    return fail (c, output, &(struct mark) { output->end }, r);
  mark.end = output->end;
  if (c->style == NBD_SIMPLE || (r->flags & NBD_CMD_FLAG_DF) != 0
      || r->length < SPARSE_READ_MIN)
    result = append_data (&rd, r->offset, r->length);
  else {
    result = request_extents (c->device, r->length, r->offset, append_extent,
                              &rd);
    if (result == 0 && rd.length > 0)
      result = append_data (&rd, rd.offset, rd.length);
  }
  return result == 0 || fail (c, output, &mark, r);
}

/* ---- extents ---- */

struct status {
  uint32_t count;
  uint32_t state;               /* of the last one */
  uint64_t length;
  bool one;
  uint8_t *p;                   /* where the next one is written */
  enum nbd_style style;
};

/* Writes the last extent, which is complete. */
static void
write_extent (struct status *s)
{
  if (s->style == NBD_EXTENDED)
    s->p = nbd_put64 (nbd_put64 (s->p, s->length), s->state);
  else
    s->p = nbd_put32 (nbd_put32 (s->p, (uint32_t) s->length), s->state);
  ++s->count;
  s->length = 0;
}

static int
add_status (void *opaque, uint64_t offset, uint64_t length,
            enum extent_kind kind)
{
  static const uint32_t states[] = {
    [EXTENT_DATA] = 0,
    [EXTENT_ZERO] = NBD_STATE_ZERO,
    [EXTENT_HOLE] = NBD_STATE_HOLE | NBD_STATE_ZERO,
  };
  struct status *s = opaque;

  (void) offset;
  if (s->length > 0 && states[kind] != s->state) {
    write_extent (s);
    if (s->one || s->count == EXTENTS_MAX) {
      errno = 0;
      return -1;
    }
  }
  s->state = states[kind];
  s->length += length;
  return 0;
}

/* The header of the chunk, once its length is known. */
static void
begin_status (struct buffer *output, const struct status *s,
              const struct nbd_request *r)
{
  size_t header = nbd_chunk_size (s->style);
  uint8_t *data = end_of (output) + header;
  bool extended = s->style == NBD_EXTENDED;

  nbd_chunk_encode (end_of (output), s->style, r, NBD_REPLY_FLAG_DONE,
                    extended ? NBD_REPLY_TYPE_BLOCK_STATUS_EXT
                             : NBD_REPLY_TYPE_BLOCK_STATUS,
                    (uint64_t) (s->p - data));
  nbd_put32 (data, CONTEXT_ID);
  if (extended)
    nbd_put32 (data + 4, s->count);
  set_end (output, s->p);
}

static bool
execute_block_status (struct connection *c, struct buffer *output,
                      const struct nbd_request *r)
{
  const struct mark mark = { output->end };
  struct status s = {
    .one = (r->flags & NBD_CMD_FLAG_REQ_ONE) != 0, .style = c->style,
  };

  if (buffer_reserve (output, buffer_used (output) + 64
                      + EXTENTS_MAX * 16) == -1)
    return fail (c, output, &mark, r);
  s.p = end_of (output) + nbd_chunk_size (s.style)
    + (s.style == NBD_EXTENDED ? 8 : 4);
  if (request_extents (c->device, r->length, r->offset, add_status, &s) == -1)
    return fail (c, output, &mark, r);
  if (s.length > 0)
    write_extent (&s);
  begin_status (output, &s, r);
  return true;
}

/* ---- any request ---- */

static int
execute_change (struct connection *c, const struct nbd_request *r,
                const uint8_t *payload, bool may_wait)
{
  switch (r->type) {
  case NBD_CMD_WRITE:
    return request_write (c->device, payload, (uint32_t) r->length, r->offset,
                          may_wait);
  case NBD_CMD_TRIM:
    return request_trim (c->device, r->length, r->offset, may_wait);
  case NBD_CMD_WRITE_ZEROES:
    return request_zero (c->device, r->length, r->offset, may_wait);
  default:
    /* FLUSH: what was acknowledged is in the pool.  CACHE: caching ahead
     * gains nothing.
     */
    return exports_check_removed (c->device);
  }
}

bool
execute (struct connection *c, struct buffer *output,
         const struct nbd_request *r, const uint8_t *payload, bool may_wait)
{
  const struct mark mark = { output->end };

  if (r->type == NBD_CMD_READ)
    return execute_read (c, output, r, may_wait);
  if (r->type == NBD_CMD_BLOCK_STATUS)
    return execute_block_status (c, output, r);
  if (execute_change (c, r, payload, may_wait) == -1)
    return fail (c, output, &mark, r);
  append_success (output, c->style, r);
  return true;
}
