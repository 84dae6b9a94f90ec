/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/util.h"

#include "nbd-protocol.h"

/* ---- handshake ---- */

void
nbd_greeting_encode (uint8_t p[NBD_GREETING_SIZE])
{
  p = nbd_put64 (p, NBD_MAGIC);
  p = nbd_put64 (p, NBD_OPTION_MAGIC);
  nbd_put16 (p, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
}

bool
nbd_option_decode (const uint8_t p[NBD_OPTION_SIZE], struct nbd_option *o)
{
  o->type = nbd_get32 (p + 8);
  o->length = nbd_get32 (p + 12);
  return nbd_get64 (p) == NBD_OPTION_MAGIC;
}

void
nbd_option_reply_encode (uint8_t p[NBD_OPTION_REPLY_SIZE], uint32_t option,
                         uint32_t type, uint32_t length)
{
  p = nbd_put64 (p, NBD_OPTION_REPLY_MAGIC);
  p = nbd_put32 (p, option);
  p = nbd_put32 (p, type);
  nbd_put32 (p, length);
}

const char *
nbd_read_bytes (struct nbd_reader *r, size_t length)
{
  const uint8_t *p = r->p;

  if (r->failed || length > r->left) {
    r->failed = true;
    return NULL;
  }
  r->p += length;
  r->left -= length;
  return (const char *) p;
}

uint16_t
nbd_read16 (struct nbd_reader *r)
{
  const char *p = nbd_read_bytes (r, 2);

  return p ? nbd_get16 ((const uint8_t *) p) : 0;
}

uint32_t
nbd_read32 (struct nbd_reader *r)
{
  const char *p = nbd_read_bytes (r, 4);

  return p ? nbd_get32 ((const uint8_t *) p) : 0;
}

const char *
nbd_read_string (struct nbd_reader *r, uint32_t *length)
{
  const char *s;

  *length = nbd_read32 (r);
  if (*length > NBD_STRING_MAX)
    r->failed = true;
  s = nbd_read_bytes (r, *length);
  if (!s || !memchr (s, '\0', *length))
    return s;
  r->failed = true;
  return NULL;
}

/* ---- requests ---- */

bool
nbd_request_decode (const uint8_t *p, enum nbd_style style,
                    struct nbd_request *r)
{
  r->flags = nbd_get16 (p + 4);
  r->type = nbd_get16 (p + 6);
  r->cookie = nbd_get64 (p + 8);
  r->offset = nbd_get64 (p + 16);
  if (style == NBD_EXTENDED) {
    r->length = nbd_get64 (p + 24);
    return nbd_get32 (p) == NBD_EXTENDED_REQUEST_MAGIC;
  }
  r->length = nbd_get32 (p + 24);
  return nbd_get32 (p) == NBD_REQUEST_MAGIC;
}

uint64_t
nbd_request_payload (const struct nbd_request *r, enum nbd_style style)
{
  bool has_payload = r->type == NBD_CMD_WRITE
    || (style == NBD_EXTENDED && (r->flags & NBD_CMD_FLAG_PAYLOAD_LEN) != 0);

  return has_payload ? r->length : 0;
}

/* The flags that each command may have besides FUA, which is allowed with all
 * of them: clients are known to set it.
 */
static const struct {
  uint16_t flags;
  bool changes;                 /* the disk */
} commands[] = {
  [NBD_CMD_WRITE] = { 0, true },
  [NBD_CMD_TRIM] = { 0, true },
  [NBD_CMD_WRITE_ZEROES] = {
    NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO, true,
  },
  [NBD_CMD_BLOCK_STATUS] = { NBD_CMD_FLAG_REQ_ONE, false },
};

static uint16_t
allowed_flags (const struct nbd_request *r, enum nbd_style style)
{
  uint16_t flags = commands[r->type].flags | NBD_CMD_FLAG_FUA;

  if (r->type == NBD_CMD_READ && style != NBD_SIMPLE)
    flags |= NBD_CMD_FLAG_DF;
  if (r->type == NBD_CMD_WRITE && style == NBD_EXTENDED)
    flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
  return flags;
}

/* Beyond the end, the specification has another error for requests that need
 * space.
 */
static enum nbd_error
check_range (const struct nbd_request *r, const struct nbd_limits *limits,
             const char **why)
{
  if (r->length == 0) {
    *why = "the length is zero";
    return NBD_EINVAL;
  }
  if (r->offset > limits->size || r->length > limits->size - r->offset) {
    *why = "the range is beyond the end of the disk";
    return r->type == NBD_CMD_WRITE || r->type == NBD_CMD_WRITE_ZEROES
      ? NBD_ENOSPC : NBD_EINVAL;
  }
  if ((r->type == NBD_CMD_READ || r->type == NBD_CMD_WRITE)
      && r->length > limits->payload_max) {
    *why = "the request is larger than the maximum";
    return r->type == NBD_CMD_READ && limits->style != NBD_SIMPLE
      ? NBD_EOVERFLOW : NBD_EINVAL;
  }
  return 0;
}

enum nbd_error
nbd_request_check (const struct nbd_request *r,
                   const struct nbd_limits *limits, const char **why)
{
  if (r->type >= ARRAY_SIZE (commands)
      || (r->type == NBD_CMD_BLOCK_STATUS && !limits->block_status)) {
    *why = r->type == NBD_CMD_BLOCK_STATUS
      ? "no context was negotiated" : "there is no such command";
    return NBD_EINVAL;
  }
  if ((r->flags & ~allowed_flags (r, limits->style)) != 0) {
    *why = "the command doesn't have these flags";
    return NBD_EINVAL;
  }
  if (limits->read_only && commands[r->type].changes) {
    *why = "the export is read-only";
    return NBD_EPERM;
  }
  if (r->type != NBD_CMD_FLUSH)
    return check_range (r, limits, why);
  if (r->offset == 0 && r->length == 0)
    return 0;
  *why = "a flush has no range";
  return NBD_EINVAL;
}

/* ---- replies ---- */

void
nbd_simple_reply_encode (uint8_t p[NBD_SIMPLE_REPLY_SIZE], uint32_t error,
                         uint64_t cookie)
{
  p = nbd_put32 (p, NBD_SIMPLE_REPLY_MAGIC);
  p = nbd_put32 (p, error);
  nbd_put64 (p, cookie);
}

uint8_t *
nbd_chunk_encode (uint8_t *p, enum nbd_style style,
                  const struct nbd_request *r, uint16_t flags, uint16_t type,
                  uint64_t length)
{
  p = nbd_put32 (p, style == NBD_EXTENDED ? NBD_EXTENDED_REPLY_MAGIC
                                          : NBD_STRUCTURED_REPLY_MAGIC);
  p = nbd_put16 (p, flags);
  p = nbd_put16 (p, type);
  p = nbd_put64 (p, r->cookie);
  if (style != NBD_EXTENDED)
    return nbd_put32 (p, (uint32_t) length);
  p = nbd_put64 (p, r->offset);
  return nbd_put64 (p, length);
}

enum nbd_error
nbd_error_from_errno (int err)
{
  switch (err) {
  case EPERM:
  case EROFS:
    return NBD_EPERM;
  case EIO:
    return NBD_EIO;
  case ENOMEM:
    return NBD_ENOMEM;
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return NBD_ENOSPC;
  case EOVERFLOW:
    return NBD_EOVERFLOW;
  case EOPNOTSUPP:
    return NBD_ENOTSUP;
  case ESHUTDOWN:
    return NBD_ESHUTDOWN;
  default:
    return NBD_EINVAL;
  }
}
