/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "tests/lib/nbd-client.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/backing.h"

#include <cmocka.h>

_Atomic unsigned said;

static void
count_line (const char *text)
{
  assert_null (strchr (text, '\n'));
  said++;
}

bool
is_right (void *opaque, const void *block)
{
  (void) opaque;
  return *(const char *) block == RIGHT;
}

void
fill_block (uint8_t *block, uint64_t n)
{
  object_fill (block, BACKING_BLOCK, (uint32_t) n + 1);
}

struct fake_server *
start_server (bool multi_conn)
{
  struct fake_server *p = fake_server_start (DISK);

  p->multi_conn = multi_conn;
  for (uint64_t n = 0; n < DISK / BACKING_BLOCK; ++n)
    fill_block (p->disk + n * BACKING_BLOCK, n);
  p->disk[0] = RIGHT;
  memcpy (p->durable, p->disk, DISK);
  return p;
}

struct nbd_client *
open_client (struct fake_server *p, unsigned timeout)
{
  const struct nbd_client_options o = {
    .uri = p->uri, .timeout = timeout, .log = count_line,
  };
  char error[256] = "";
  struct nbd_client *f = nbd_client_open (&o, error, sizeof error);

  if (!f)
    fail_msg ("%s", error);
  assert_int_equal (nbd_client_size (f), DISK);
  assert_true (nbd_client_can_trim (f));
  return f;
}

void
wait_for_connections (struct nbd_client *f, unsigned n)
{
  struct nbd_client_stats st;

  for (unsigned i = 0; i < 6000; ++i) {
    nbd_client_get_stats (f, &st);
    if (st.connections == n)
      return;
    usleep (10000);
  }
  fail_msg ("%u connections", st.connections);
}

struct nbd_client *
start_client (struct fake_server *p, unsigned timeout)
{
  struct nbd_client *f = open_client (p, timeout);

  nbd_client_disconnect (f);
  assert_false (nbd_client_is_connected (f));
  assert_int_equal (nbd_client_start (f, is_right, NULL), 0);
  wait_for_connections (f, p->multi_conn ? NBD_CONNECTIONS_MAX : 1);
  return f;
}

void
assert_block (struct nbd_client *f, uint64_t n)
{
  uint8_t block[BACKING_BLOCK], expected[BACKING_BLOCK];

  fill_block (expected, n);
  if (nbd_client_read (f, block, sizeof block, n * BACKING_BLOCK, true) == -1)
    fail_msg ("block %u: %s", (unsigned) n, strerror (errno));
  assert_memory_equal (block, expected, sizeof block);
}

int
write_blocks (struct nbd_client *f, const uint8_t *data, uint64_t n,
              unsigned blocks, bool *unsure)
{
  const struct io_run run = {
    data, (size_t) blocks * BACKING_BLOCK, n * BACKING_BLOCK,
  };

  return nbd_client_write (f, &run, 1, unsure);
}
