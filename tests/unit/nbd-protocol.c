/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the NBD protocol, byte by byte. */

#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/util.h"
#include "tests/lib/unit.h"

#include <cmocka.h>

#include "server/nbd-protocol.h"

#define DISK (64 * KIB + 512)
#define PAYLOAD 4096

/* ---- handshake ---- */

TEST (greeting)
{
  static const uint8_t expected[NBD_GREETING_SIZE] = {
    'N', 'B', 'D', 'M', 'A', 'G', 'I', 'C',
    'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 3,
  };
  uint8_t p[NBD_GREETING_SIZE];

  nbd_greeting_encode (p);
  assert_memory_equal (p, expected, sizeof p);
}

TEST (options)
{
  uint8_t p[NBD_OPTION_SIZE] = {
    'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 0, 0, 7, 1, 2, 3, 4,
  };
  static const uint8_t reply[NBD_OPTION_REPLY_SIZE] = {
    0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9, 0, 0, 0, 7,
    0x80, 0, 0, 6, 0, 0, 1, 0,
  };
  uint8_t encoded[NBD_OPTION_REPLY_SIZE];
  struct nbd_option o;

  assert_true (nbd_option_decode (p, &o));
  assert_int_equal (o.type, NBD_OPT_GO);
  assert_int_equal (o.length, 0x01020304);
  for (unsigned bit = 0; bit < 64; ++bit) {
    p[bit / 8] ^= (uint8_t) (1 << bit % 8);
    assert_false (nbd_option_decode (p, &o));
    p[bit / 8] ^= (uint8_t) (1 << bit % 8);
  }
  nbd_option_reply_encode (encoded, 7, NBD_REP_ERR_UNKNOWN, 256);
  assert_memory_equal (encoded, reply, sizeof encoded);
}

TEST (reading_data)
{
  static const uint8_t data[] = { 0, 0, 0, 2, 'a', 'b', 1, 2, 0, 0, 0, 1, 0 };
  struct nbd_reader r = { .p = data, .left = sizeof data };
  uint32_t length;

  assert_memory_equal (nbd_read_string (&r, &length), "ab", 2);
  assert_int_equal (length, 2);
  assert_int_equal (nbd_read16 (&r), 0x0102);
  assert_false (r.failed);
  assert_null (nbd_read_string (&r, &length)); /* it has a byte 0 */
  assert_true (r.failed);
  /* After a failure everything fails. */
  assert_int_equal (nbd_read32 (&r), 0);
  assert_null (nbd_read_bytes (&r, 0));
}

TEST (data_that_ends_early)
{
  static uint8_t data[8 + NBD_STRING_MAX] = { 0, 0, 0x10, 1 };
  uint32_t length;

  for (size_t left = 0; left < 4; ++left) {
    struct nbd_reader r = { .p = data, .left = left };

    assert_int_equal (nbd_read32 (&r), 0);
    assert_true (r.failed);
  }
  {
    /* One byte more than a string may have. */
    struct nbd_reader r = { .p = data, .left = sizeof data };

    memset (data + 4, 'x', sizeof data - 4);
    assert_null (nbd_read_string (&r, &length));
    data[3] = 0;
    r = (struct nbd_reader) { .p = data, .left = sizeof data };
    assert_non_null (nbd_read_string (&r, &length));
    r = (struct nbd_reader) { .p = data, .left = NBD_STRING_MAX + 3 };
    assert_null (nbd_read_string (&r, &length));
  }
}

/* ---- requests ---- */

TEST (requests)
{
  uint8_t p[NBD_EXTENDED_REQUEST_SIZE] = {
    0x25, 0x60, 0x95, 0x13, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 7, 8,
    0, 0, 0, 0, 0, 0, 2, 0, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 9,
  };
  struct nbd_request r;

  assert_true (nbd_request_decode (p, NBD_STRUCTURED, &r));
  assert_false (nbd_request_decode (p, NBD_EXTENDED, &r));
  assert_true (nbd_request_decode (p, NBD_SIMPLE, &r));
  assert_int_equal (r.flags, NBD_CMD_FLAG_FUA);
  assert_int_equal (r.type, NBD_CMD_WRITE_ZEROES);
  assert_int_equal (r.cookie, 0x0102030405060708);
  assert_int_equal (r.offset, 512);
  assert_int_equal (r.length, 0xfffffffe);
  memcpy (p, "\x21\xe4\x1c\x71", 4);
  assert_false (nbd_request_decode (p, NBD_SIMPLE, &r));
  assert_true (nbd_request_decode (p, NBD_EXTENDED, &r));
  assert_true (r.length == UINT64_C (0xfffffffe00000009));
}

TEST (payloads)
{
  struct nbd_request r = { .type = NBD_CMD_WRITE, .length = 7 };

  assert_int_equal (nbd_request_payload (&r, NBD_SIMPLE), 7);
  assert_int_equal (nbd_request_payload (&r, NBD_STRUCTURED), 7);
  assert_int_equal (nbd_request_payload (&r, NBD_EXTENDED), 7);
  r.flags = NBD_CMD_FLAG_PAYLOAD_LEN;
  assert_int_equal (nbd_request_payload (&r, NBD_EXTENDED), 7);
  r.type = NBD_CMD_BLOCK_STATUS;
  assert_int_equal (nbd_request_payload (&r, NBD_EXTENDED), 7);
  assert_int_equal (nbd_request_payload (&r, NBD_STRUCTURED), 0);
  r.flags = 0;
  assert_int_equal (nbd_request_payload (&r, NBD_EXTENDED), 0);
}

enum { RO = 1, CONTEXT = 2 };

/* What the specification says of a request, for a disk of DISK bytes. */
static const struct request_check {
  uint16_t type, flags;
  uint64_t offset, length;
  enum nbd_style style;
  unsigned settings;
  enum nbd_error error;
} request_checks[] = {
  { NBD_CMD_READ, 0, 0, PAYLOAD, NBD_SIMPLE, 0, 0 },
  { NBD_CMD_READ, 0, DISK - 1, 1, NBD_SIMPLE, RO, 0 },
  { NBD_CMD_READ, 0, DISK, 1, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, DISK - 1, 2, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, UINT64_MAX, 1, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, UINT64_MAX - 4095, 4096, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, 4096, UINT64_MAX, NBD_EXTENDED, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, 4096, UINT64_MAX - 4095, NBD_EXTENDED, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, 0, 0, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, 0, PAYLOAD + 1, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, 0, 0, PAYLOAD + 1, NBD_STRUCTURED, 0, NBD_EOVERFLOW },
  { NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 1, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 1, NBD_STRUCTURED, 0, 0 },
  { NBD_CMD_READ, NBD_CMD_FLAG_FUA, 0, 1, NBD_SIMPLE, 0, 0 },
  { NBD_CMD_READ, NBD_CMD_FLAG_PAYLOAD_LEN, 0, 1, NBD_EXTENDED, 0,
    NBD_EINVAL },
  { NBD_CMD_WRITE, 0, 0, PAYLOAD, NBD_SIMPLE, 0, 0 },
  { NBD_CMD_WRITE, 0, 0, PAYLOAD + 1, NBD_STRUCTURED, 0, NBD_EINVAL },
  { NBD_CMD_WRITE, 0, 0, 1, NBD_SIMPLE, RO, NBD_EPERM },
  { NBD_CMD_WRITE, 0, DISK, 1, NBD_SIMPLE, 0, NBD_ENOSPC },
  { NBD_CMD_WRITE, NBD_CMD_FLAG_PAYLOAD_LEN, 0, 1, NBD_STRUCTURED, 0,
    NBD_EINVAL },
  { NBD_CMD_WRITE, NBD_CMD_FLAG_PAYLOAD_LEN, 0, 1, NBD_EXTENDED, 0, 0 },
  { NBD_CMD_WRITE, 0, 0, 1, NBD_EXTENDED, 0, 0 },
  { NBD_CMD_FLUSH, 0, 0, 0, NBD_SIMPLE, RO, 0 },
  { NBD_CMD_FLUSH, 0, 0, 1, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_FLUSH, 0, 1, 0, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_TRIM, NBD_CMD_FLAG_FUA, 0, DISK, NBD_SIMPLE, 0, 0 },
  { NBD_CMD_TRIM, NBD_CMD_FLAG_NO_HOLE, 0, 1, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_TRIM, 0, 1, DISK, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_TRIM, 0, 0, 1, NBD_SIMPLE, RO, NBD_EPERM },
  { NBD_CMD_CACHE, 0, 0, DISK, NBD_SIMPLE, RO, 0 },
  { NBD_CMD_CACHE, NBD_CMD_FLAG_DF, 0, 1, NBD_STRUCTURED, 0, NBD_EINVAL },
  { NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE
    | NBD_CMD_FLAG_FAST_ZERO, 0, DISK, NBD_SIMPLE, 0, 0 },
  { NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_REQ_ONE, 0, 1, NBD_SIMPLE, 0,
    NBD_EINVAL },
  { NBD_CMD_WRITE_ZEROES, 0, 1, DISK, NBD_SIMPLE, 0, NBD_ENOSPC },
  { NBD_CMD_WRITE_ZEROES, 0, 0, 1, NBD_SIMPLE, RO, NBD_EPERM },
  { NBD_CMD_BLOCK_STATUS, 0, 0, DISK, NBD_STRUCTURED, CONTEXT, 0 },
  { NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_REQ_ONE, 0, 1, NBD_STRUCTURED,
    CONTEXT | RO, 0 },
  { NBD_CMD_BLOCK_STATUS, 0, 0, 1, NBD_STRUCTURED, 0, NBD_EINVAL },
  { NBD_CMD_BLOCK_STATUS, 0, 1, DISK, NBD_STRUCTURED, CONTEXT,
    NBD_EINVAL },
  { 8, 0, 0, 1, NBD_EXTENDED, CONTEXT, NBD_EINVAL },
  { UINT16_MAX, 0, 0, 1, NBD_SIMPLE, 0, NBD_EINVAL },
  { NBD_CMD_READ, 1 << 15, 0, 1, NBD_EXTENDED, 0, NBD_EINVAL },
};

static void
check_request (const struct request_check *c)
{
  const struct nbd_request r = {
    .type = c->type, .flags = c->flags,
    .offset = c->offset, .length = c->length,
  };
  const struct nbd_limits limits = {
    .size = DISK, .payload_max = PAYLOAD, .style = c->style,
    .read_only = (c->settings & RO) != 0,
    .block_status = (c->settings & CONTEXT) != 0,
  };
  const char *why = NULL;

  if (nbd_request_check (&r, &limits, &why) != c->error)
    fail_msg ("row %zu: %s", (size_t) (c - request_checks),
              why ? why : "no error");
  assert_true ((why != NULL) == (c->error != 0));
}

TEST (checks)
{
  for (size_t i = 0; i < ARRAY_SIZE (request_checks); ++i)
    check_request (&request_checks[i]);
}

/* ---- replies ---- */

TEST (replies)
{
  static const uint8_t simple[NBD_SIMPLE_REPLY_SIZE] = {
    0x67, 0x44, 0x66, 0x98, 0, 0, 0, 28, 1, 2, 3, 4, 5, 6, 7, 8,
  };
  static const uint8_t structured[NBD_STRUCTURED_REPLY_SIZE] = {
    0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1, 1, 2, 3, 4, 5, 6, 7, 8,
    0, 0, 0, 6,
  };
  static const uint8_t extended[NBD_EXTENDED_REPLY_SIZE] = {
    0x6e, 0x8a, 0x27, 0x8c, 0, 1, 0x80, 1, 1, 2, 3, 4, 5, 6, 7, 8,
    0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 6,
  };
  const struct nbd_request r = {
    .cookie = 0x0102030405060708, .offset = 512,
  };
  uint8_t p[NBD_EXTENDED_REPLY_SIZE];

  nbd_simple_reply_encode (p, NBD_ENOSPC, r.cookie);
  assert_memory_equal (p, simple, sizeof simple);
  assert_ptr_equal (nbd_chunk_encode (p, NBD_STRUCTURED, &r,
                                      NBD_REPLY_FLAG_DONE,
                                      NBD_REPLY_TYPE_ERROR, 6),
                    p + nbd_chunk_size (NBD_STRUCTURED));
  assert_memory_equal (p, structured, sizeof structured);
  assert_ptr_equal (nbd_chunk_encode (p, NBD_EXTENDED, &r,
                                      NBD_REPLY_FLAG_DONE,
                                      NBD_REPLY_TYPE_ERROR, 6),
                    p + nbd_chunk_size (NBD_EXTENDED));
  assert_memory_equal (p, extended, sizeof extended);
}

/* Only errors of the specification are sent. */
TEST (errors)
{
  static const int known[] = { 0, 1, 5, 12, 22, 28, 75, 95, 108 };

  for (int err = 1; err < 200; ++err) {
    enum nbd_error e = nbd_error_from_errno (err);
    bool found = false;

    for (size_t i = 1; i < ARRAY_SIZE (known); ++i)
      found |= (int) e == known[i];
    assert_true (found);
  }
  assert_int_equal (nbd_error_from_errno (EDQUOT), NBD_ENOSPC);
  assert_int_equal (nbd_error_from_errno (ESHUTDOWN), NBD_ESHUTDOWN);
  assert_int_equal (nbd_error_from_errno (EIO), NBD_EIO);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (greeting),
    cmocka_unit_test (options),
    cmocka_unit_test (reading_data),
    cmocka_unit_test (data_that_ends_early),
    cmocka_unit_test (requests),
    cmocka_unit_test (payloads),
    cmocka_unit_test (checks),
    cmocka_unit_test (replies),
    cmocka_unit_test (errors),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
