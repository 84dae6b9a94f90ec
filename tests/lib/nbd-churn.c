/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes, reads and trims without end, in phases:
 *   nbd-churn REQUESTS CONNECTIONS URI SEED
 * does REQUESTS requests, prints a line, waits for one, and so on, until
 * its input ends.  Requests are of 4 to 256 KiB, 16 at a time on each
 * connection, the first ones all of the largest size; of a disk of 64 MiB
 * about half is in use at any time.
 */

#include <config.h>

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libnbd.h>

#include "prng.h"

#define CONNECTIONS_MAX 8
#define DEPTH 16
#define LARGEST (256 * 1024)
#define UNIT 4096
#define DISK (64 * 1024 * 1024)
#define LARGE_FIRST 2000

struct request {
  char buf[LARGEST];
  bool busy;
};

static struct nbd_handle *connections[CONNECTIONS_MAX];
static struct request requests[CONNECTIONS_MAX][DEPTH];
static unsigned count;
static uint64_t state, done;

/* Pages that compress to anything between little and nothing. */
static void
fill (char *buf, size_t size)
{
  for (size_t at = 0; at < size; at += UNIT) {
    size_t random = below (&state, UNIT + 1);

    memset (buf + at, 'a' + (int) below (&state, 26), UNIT);
    for (size_t i = 0; i + 8 <= random; i += 8) {
      uint64_t word = next (&state);

      memcpy (buf + at + i, &word, sizeof word);
    }
  }
}

static int
completed (void *opaque, int *error)
{
  struct request *r = opaque;

  if (*error != 0)
    errx (EXIT_FAILURE, "a request failed: %s", strerror (*error));
  r->busy = false;
  done++;
  return 1;
}

static void
issue (struct nbd_handle *nbd, struct request *r, bool large)
{
  nbd_completion_callback cb = { .callback = completed, .user_data = r };
  uint64_t size = large ? LARGEST : UNIT << below (&state, 7);
  uint64_t offset = below (&state, DISK / size) * size;
  int64_t cookie;

  r->busy = true;
  switch (below (&state, large ? 2 : 8)) {
  case 0:
    cookie = nbd_aio_pread (nbd, r->buf, size, offset, cb, 0);
    break;
  case 1:
  case 2:
    fill (r->buf, size);
    cookie = nbd_aio_pwrite (nbd, r->buf, size, offset, cb, 0);
    break;
  case 3:
    cookie = nbd_aio_trim (nbd, size, offset, cb, 0);
    break;
  case 4:
    cookie = nbd_aio_zero (nbd, size, offset, cb, 0);
    break;
  default:                      /* a page, as swap does */
    fill (r->buf, UNIT);
    cookie = nbd_aio_pwrite (nbd, r->buf, UNIT, offset, cb, 0);
  }
  if (cookie == -1)
    errx (EXIT_FAILURE, "%s", nbd_get_error ());
}

static bool
step (unsigned c, bool issuing, bool large)
{
  bool busy = false;

  for (unsigned i = 0; i < DEPTH; ++i) {
    struct request *r = &requests[c][i];

    if (!r->busy && issuing)
      issue (connections[c], r, large);
    busy |= r->busy;
  }
  if (busy && nbd_poll (connections[c], issuing ? 0 : -1) == -1)
    errx (EXIT_FAILURE, "%s", nbd_get_error ());
  return busy;
}

static void
run (uint64_t n)
{
  static uint64_t begun;
  uint64_t end = done + n;
  bool busy = true;

  while (done < end) {
    for (unsigned c = 0; c < count; ++c)
      step (c, true, begun < LARGE_FIRST);
    begun = done;
  }
  while (busy) {
    busy = false;
    for (unsigned c = 0; c < count; ++c)
      busy |= step (c, false, false);
  }
}

int
main (int argc, char *argv[])
{
  char line[16];

  if (argc != 5)
    errx (EXIT_FAILURE, "usage: nbd-churn REQUESTS CONNECTIONS URI SEED");
  count = (unsigned) strtoul (argv[2], NULL, 10);
  if (count < 1 || count > CONNECTIONS_MAX)
    errx (EXIT_FAILURE, "1 to %d connections", CONNECTIONS_MAX);
  state = strtoull (argv[4], NULL, 0);
  for (unsigned c = 0; c < count; ++c) {
    connections[c] = nbd_create ();
    if (!connections[c] || nbd_connect_uri (connections[c], argv[3]) == -1)
      errx (EXIT_FAILURE, "%s", nbd_get_error ());
  }
  do {
    run (strtoull (argv[1], NULL, 10));
    printf ("done %" PRIu64 "\n", done);
    fflush (stdout);
  } while (fgets (line, sizeof line, stdin));
  for (unsigned c = 0; c < count; ++c)
    nbd_close (connections[c]);
  return EXIT_SUCCESS;
}
