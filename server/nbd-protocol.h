/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD protocol: its numbers, and its messages as bytes.
 *
 * Functions only convert between bytes and structs, so any input is allowed,
 * and they have no other effect.  Names and numbers are those of the
 * specification, proto.md of the NetworkBlockDevice project; extended headers
 * are those of its extension of that name.
 *
 * On the wire all integers are big-endian.
 */

#ifndef NBDZRAM_SERVER_NBD_PROTOCOL_H
#define NBDZRAM_SERVER_NBD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_STRING_MAX 4096
#define NBD_DEFAULT_PORT "10809"

/* ---- integers ---- */

static inline uint16_t
nbd_get16 (const uint8_t *p)
{
  return (uint16_t) (p[0] << 8 | p[1]);
}

static inline uint32_t
nbd_get32 (const uint8_t *p)
{
  return (uint32_t) nbd_get16 (p) << 16 | nbd_get16 (p + 2);
}

static inline uint64_t
nbd_get64 (const uint8_t *p)
{
  return (uint64_t) nbd_get32 (p) << 32 | nbd_get32 (p + 4);
}

/* These return the byte after what they wrote. */
static inline uint8_t *
nbd_put16 (uint8_t *p, uint16_t n)
{
  p[0] = (uint8_t) (n >> 8);
  p[1] = (uint8_t) n;
  return p + 2;
}

static inline uint8_t *
nbd_put32 (uint8_t *p, uint32_t n)
{
  return nbd_put16 (nbd_put16 (p, (uint16_t) (n >> 16)), (uint16_t) n);
}

static inline uint8_t *
nbd_put64 (uint8_t *p, uint64_t n)
{
  return nbd_put32 (nbd_put32 (p, (uint32_t) (n >> 32)), (uint32_t) n);
}

/* ---- handshake ---- */

#define NBD_MAGIC UINT64_C (0x4e42444d41474943) /* "NBDMAGIC" */
#define NBD_OPTION_MAGIC UINT64_C (0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_OPTION_REPLY_MAGIC UINT64_C (0x3e889045565a9)

enum {
  NBD_GREETING_SIZE = 18,
  NBD_CLIENT_FLAGS_SIZE = 4,
  NBD_OPTION_SIZE = 16,
  NBD_OPTION_REPLY_SIZE = 20,
  NBD_EXPORT_NAME_ZEROES = 124, /* unless the client wants none */
};

/* Of the server and of the client. */
#define NBD_FIXED_NEWSTYLE 1u
#define NBD_NO_ZEROES 2u

enum nbd_option_type {
  NBD_OPT_EXPORT_NAME = 1,
  NBD_OPT_ABORT = 2,
  NBD_OPT_LIST = 3,
  NBD_OPT_STARTTLS = 5,
  NBD_OPT_INFO = 6,
  NBD_OPT_GO = 7,
  NBD_OPT_STRUCTURED_REPLY = 8,
  NBD_OPT_LIST_META_CONTEXT = 9,
  NBD_OPT_SET_META_CONTEXT = 10,
  NBD_OPT_EXTENDED_HEADERS = 11,
};

#define NBD_REP_ERR(n) (UINT32_C (1) << 31 | (n))
#define NBD_REP_ACK UINT32_C (1)
#define NBD_REP_SERVER UINT32_C (2)
#define NBD_REP_INFO UINT32_C (3)
#define NBD_REP_META_CONTEXT UINT32_C (4)
#define NBD_REP_ERR_UNSUP NBD_REP_ERR (1)
#define NBD_REP_ERR_POLICY NBD_REP_ERR (2)
#define NBD_REP_ERR_INVALID NBD_REP_ERR (3)
#define NBD_REP_ERR_TLS_REQD NBD_REP_ERR (5)
#define NBD_REP_ERR_UNKNOWN NBD_REP_ERR (6)
#define NBD_REP_ERR_SHUTDOWN NBD_REP_ERR (7)
#define NBD_REP_ERR_TOO_BIG NBD_REP_ERR (9)
#define NBD_REP_ERR_EXT_HEADER_REQD NBD_REP_ERR (10)

enum nbd_info {
  NBD_INFO_EXPORT = 0,
  NBD_INFO_NAME = 1,
  NBD_INFO_DESCRIPTION = 2,
  NBD_INFO_BLOCK_SIZE = 3,
};

/* Transmission flags. */
enum {
  NBD_FLAG_HAS_FLAGS = 1 << 0,
  NBD_FLAG_READ_ONLY = 1 << 1,
  NBD_FLAG_SEND_FLUSH = 1 << 2,
  NBD_FLAG_SEND_FUA = 1 << 3,
  NBD_FLAG_SEND_TRIM = 1 << 5,
  NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
  NBD_FLAG_SEND_DF = 1 << 7,
  NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
  NBD_FLAG_SEND_CACHE = 1 << 10,
  NBD_FLAG_SEND_FAST_ZERO = 1 << 11,
};

struct nbd_option {
  uint32_t type;                /* an nbd_option_type, or any other number */
  uint32_t length;              /* of the data that follows */
};

void nbd_greeting_encode (uint8_t p[NBD_GREETING_SIZE]);

/* Returns false if the magic number is wrong. */
bool nbd_option_decode (const uint8_t p[NBD_OPTION_SIZE],
                        struct nbd_option *o);

/* The header of a reply to an option of type OPTION; LENGTH bytes follow. */
void nbd_option_reply_encode (uint8_t p[NBD_OPTION_REPLY_SIZE],
                              uint32_t option, uint32_t type,
                              uint32_t length);

/* The data of an option, which is read from its beginning to its end. */
struct nbd_reader {
  const uint8_t *p;
  size_t left;
  bool failed;                  /* there was less than what was read */
};

uint16_t nbd_read16 (struct nbd_reader *r);
uint32_t nbd_read32 (struct nbd_reader *r);

/* LENGTH bytes, or NULL if there are fewer. */
const char *nbd_read_bytes (struct nbd_reader *r, size_t length);

/* A string after its length.  Returns NULL if there is less, if it is longer
 * than NBD_STRING_MAX, or if it has a byte 0.
 */
const char *nbd_read_string (struct nbd_reader *r, uint32_t *length);

/* ---- transmission ---- */

#define NBD_REQUEST_MAGIC UINT32_C (0x25609513)
#define NBD_EXTENDED_REQUEST_MAGIC UINT32_C (0x21e41c71)
#define NBD_SIMPLE_REPLY_MAGIC UINT32_C (0x67446698)
#define NBD_STRUCTURED_REPLY_MAGIC UINT32_C (0x668e33ef)
#define NBD_EXTENDED_REPLY_MAGIC UINT32_C (0x6e8a278c)

enum {
  NBD_REQUEST_SIZE = 28,
  NBD_EXTENDED_REQUEST_SIZE = 32,
  NBD_SIMPLE_REPLY_SIZE = 16,
  NBD_STRUCTURED_REPLY_SIZE = 20,
  NBD_EXTENDED_REPLY_SIZE = 32,
};

enum nbd_command {
  NBD_CMD_READ = 0,
  NBD_CMD_WRITE = 1,
  NBD_CMD_DISC = 2,
  NBD_CMD_FLUSH = 3,
  NBD_CMD_TRIM = 4,
  NBD_CMD_CACHE = 5,
  NBD_CMD_WRITE_ZEROES = 6,
  NBD_CMD_BLOCK_STATUS = 7,
};

enum {
  NBD_CMD_FLAG_FUA = 1 << 0,
  NBD_CMD_FLAG_NO_HOLE = 1 << 1,
  NBD_CMD_FLAG_DF = 1 << 2,
  NBD_CMD_FLAG_REQ_ONE = 1 << 3,
  NBD_CMD_FLAG_FAST_ZERO = 1 << 4,
  NBD_CMD_FLAG_PAYLOAD_LEN = 1 << 5,
};

enum {
  NBD_REPLY_FLAG_DONE = 1 << 0,
};

enum nbd_chunk {
  NBD_REPLY_TYPE_NONE = 0,
  NBD_REPLY_TYPE_OFFSET_DATA = 1,
  NBD_REPLY_TYPE_OFFSET_HOLE = 2,
  NBD_REPLY_TYPE_BLOCK_STATUS = 5,
  NBD_REPLY_TYPE_BLOCK_STATUS_EXT = 6,
  NBD_REPLY_TYPE_ERROR = 1 << 15 | 1,
};

/* The state of an extent in the context base:allocation. */
enum {
  NBD_STATE_HOLE = 1 << 0,
  NBD_STATE_ZERO = 1 << 1,
};

enum nbd_error {
  NBD_EPERM = 1,
  NBD_EIO = 5,
  NBD_ENOMEM = 12,
  NBD_EINVAL = 22,
  NBD_ENOSPC = 28,
  NBD_EOVERFLOW = 75,
  NBD_ENOTSUP = 95,
  NBD_ESHUTDOWN = 108,
};

/* What client and server agreed on. */
enum nbd_style {
  NBD_SIMPLE,
  NBD_STRUCTURED,
  NBD_EXTENDED,
};

struct nbd_request {
  uint16_t flags, type;         /* any */
  uint64_t cookie, offset, length;
};

static inline size_t
nbd_request_size (enum nbd_style style)
{
  return style == NBD_EXTENDED ? NBD_EXTENDED_REQUEST_SIZE
                               : NBD_REQUEST_SIZE;
}

/* Returns false if the magic number is wrong. */
bool nbd_request_decode (const uint8_t *p, enum nbd_style style,
                         struct nbd_request *r);

/* How many bytes follow the header of R.  Extended headers say it by a flag,
 * which clients of qemu 10 forget with a write, as qemu's server knows.
 */
uint64_t nbd_request_payload (const struct nbd_request *r,
                              enum nbd_style style);

/* What is wrong with R for a disk of SIZE bytes, by the specification.  The
 * payload may have any length.
 */
struct nbd_limits {
  uint64_t size;                /* of the disk */
  uint64_t payload_max;
  enum nbd_style style;
  bool read_only;
  bool block_status;            /* a context was set */
};

/* Returns 0, or the error and in *WHY the reason. */
enum nbd_error nbd_request_check (const struct nbd_request *r,
                                  const struct nbd_limits *limits,
                                  const char **why);

void nbd_simple_reply_encode (uint8_t p[NBD_SIMPLE_REPLY_SIZE],
                              uint32_t error, uint64_t cookie);

static inline size_t
nbd_chunk_size (enum nbd_style style)
{
  return style == NBD_EXTENDED ? NBD_EXTENDED_REPLY_SIZE
                               : NBD_STRUCTURED_REPLY_SIZE;
}

/* The header of a chunk of the reply to R; LENGTH bytes follow.  Returns the
 * byte after the header.
 */
uint8_t *nbd_chunk_encode (uint8_t *p, enum nbd_style style,
                           const struct nbd_request *r, uint16_t flags,
                           uint16_t type, uint64_t length);

/* The error of the protocol that stands for errno ERR. */
enum nbd_error nbd_error_from_errno (int err);

#endif /* NBDZRAM_SERVER_NBD_PROTOCOL_H */
