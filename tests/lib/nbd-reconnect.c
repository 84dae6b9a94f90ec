/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client as the kernel is one: what was not answered when a connection
 * broke is asked again by the next connection.
 *
 *   nbd-reconnect [-s SEED] [-c CONNECTIONS] [-p PAGES] [-r MS] [-g] URI
 *
 * Each connection is a thread's, which writes, reads and trims pages of
 * its own, in bursts, until SIGTERM; then all pages are verified by one that
 * is new.  It is an error if a page is not as it was acknowledged; if a
 * request is answered by an error; if a connection is refused.  With -r a
 * request must be answered within so many milliseconds, over all its
 * repetitions.  With -g the socket may be gone for a while, and is tried
 * again.
 *
 * The last line tells what there was: requests, reconnects, the longest
 * time that a request took.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libnbd.h>

#include "command/base/clock.h"

#include "prng.h"

#define PAGE 4096
#define RUN 8                   /* pages of one request, at most */
#define PATIENCE_MS 60000       /* a hang is not a stall */
#define BURST_MAX 64            /* requests */
#define PAUSE_NS_MAX 10000000

struct thread {
  pthread_t id;
  unsigned number;
  uint64_t random;
  struct nbd_handle *nbd;       /* NULL: not connected */
  bool was_connected;
  int64_t longest;
};

enum kind { WRITE, WRITE_MORE, READ, TRIM, KINDS };

struct request {
  enum kind kind;
  uint64_t page;
  unsigned count;
  uint8_t data[RUN * PAGE];
};

static uint64_t seed = 1, pages = 4096;
static unsigned connections = 2;
static int64_t limit;
static bool may_be_gone;
static const char *uri;
static uint32_t *versions;      /* of each page; 0: empty */
static uint32_t *written;       /* how often: a version is never used again */
static _Atomic bool stop;        /* a lock-free one may be set in a handler */
static atomic_ulong requests, reconnects;

static void __attribute__ ((noreturn, format (printf, 1, 2)))
fail (const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  fprintf (stderr, "nbd-reconnect: SEED=%" PRIu64 ": ", seed);
  vfprintf (stderr, format, ap);
  fputc ('\n', stderr);
  va_end (ap);
  _exit (1);
}

/* ---- content ---- */

/* Half of it compresses. */
static void
fill (uint8_t *data, uint64_t page, uint32_t version)
{
  uint64_t state = seed ^ page << 32 ^ version, word;

  if (version == 0) {
    memset (data, 0, PAGE);
    return;
  }
  memset (data, (int) (version & 0xff), PAGE);
  for (unsigned i = 0; i < PAGE / 2; i += sizeof word) {
    word = next (&state);
    memcpy (data + i, &word, sizeof word);
  }
  memcpy (data, &page, sizeof page);
}

static void
check (const uint8_t *data, uint64_t page)
{
  uint8_t wanted[PAGE];

  fill (wanted, page, versions[page]);
  if (memcmp (data, wanted, PAGE) != 0)
    fail ("page %" PRIu64 " is not version %" PRIu32, page, versions[page]);
}

/* ---- connections ---- */

/* While a server comes up, a connection may break at any point; but
 * there is always somebody who takes it.
 */
static struct nbd_handle *
try_to_connect (void)
{
  struct nbd_handle *nbd = nbd_create ();

  if (!nbd)
    fail ("%s", nbd_get_error ());
  if (nbd_connect_uri (nbd, uri) == 0)
    return nbd;
  if (!may_be_gone
      && (nbd_get_errno () == ECONNREFUSED || nbd_get_errno () == ENOENT))
    fail ("refused: %s", nbd_get_error ());
  nbd_close (nbd);
  return NULL;
}

static void
drop (struct thread *t)
{
  nbd_close (t->nbd);
  t->nbd = NULL;
}

static bool
connected (struct thread *t)
{
  if (t->nbd)
    return true;
  t->nbd = try_to_connect ();
  if (!t->nbd)
    return false;
  if (t->was_connected)
    ++reconnects;
  t->was_connected = true;
  return true;
}

/* ---- requests ---- */

static int
ask (struct nbd_handle *nbd, struct request *r)
{
  const uint64_t offset = r->page * PAGE;
  const size_t length = r->count * PAGE;

  switch (r->kind) {
  case READ: return nbd_pread (nbd, r->data, length, offset, 0);
  case TRIM: return nbd_trim (nbd, length, offset, 0);
  default: return nbd_pwrite (nbd, r->data, length, offset, 0);
  }
}

/* Until it is answered. */
static void
do_request (struct thread *t, struct request *r)
{
  int64_t begin = now_ms (), took = 0;

  for (;;) {
    took = now_ms () - begin;
    if (took > PATIENCE_MS)
      fail ("no answer for a minute");
    if (!connected (t)) {
      nanosleep (&(struct timespec) { .tv_nsec = 1000000 }, NULL);
      continue;
    }
    if (ask (t->nbd, r) == 0)
      break;
    if (!nbd_aio_is_dead (t->nbd) && !nbd_aio_is_closed (t->nbd))
      fail ("a request was answered by an error: %s", nbd_get_error ());
    drop (t);
  }
  ++requests;
  if (took > t->longest)
    t->longest = took;
  if (limit && took > limit)
    fail ("a request took %" PRId64 " ms", took);
}

/* Runs of pages belong to threads in turn. */
static void
choose (struct thread *t, struct request *r)
{
  uint64_t runs = pages / RUN / connections;

  r->kind = (enum kind) below (&t->random, KINDS);
  r->page = (below (&t->random, runs) * connections + t->number) * RUN;
  r->count = 1 + (unsigned) below (&t->random, RUN);
  if (r->kind == WRITE)
    r->count = 1;
  for (unsigned i = 0; i < r->count; ++i)
    if (r->kind == WRITE || r->kind == WRITE_MORE)
      fill (r->data + i * PAGE, r->page + i, written[r->page + i] + 1);
}

/* It was acknowledged. */
static void
note (const struct request *r)
{
  for (unsigned i = 0; i < r->count; ++i)
    switch (r->kind) {
    case READ: check (r->data + i * PAGE, r->page + i); break;
    case TRIM: versions[r->page + i] = 0; break;
    default: versions[r->page + i] = ++written[r->page + i];
    }
}

/* Who starts, watches and kills servers needs a processor, too. */
static void
pause_a_while (struct thread *t)
{
  nanosleep (&(struct timespec) {
               .tv_nsec = (long) below (&t->random, PAUSE_NS_MAX),
             }, NULL);
}

static void *
work (void *arg)
{
  struct request r;
  struct thread *t = arg;

  while (!stop) {
    for (uint64_t i = below (&t->random, BURST_MAX); i > 0 && !stop; --i) {
      choose (t, &r);
      do_request (t, &r);
      note (&r);
    }
    pause_a_while (t);
  }
  if (t->nbd)
    drop (t);
  return NULL;
}

static void
verify_all (void)
{
  struct thread t = { .number = 0 };
  struct request r = { .kind = READ, .count = RUN };

  for (r.page = 0; r.page + RUN <= pages; r.page += RUN) {
    do_request (&t, &r);
    note (&r);
  }
  drop (&t);
}

static void
on_signal (int signal)
{
  (void) signal;
  stop = true;
}

int
main (int argc, char *argv[])
{
  int64_t longest = 0;
  struct thread *threads;
  int c;

  while ((c = getopt (argc, argv, "s:c:p:r:g")) != -1)
    switch (c) {
    case 's': seed = strtoull (optarg, NULL, 0); break;
    case 'c': connections = (unsigned) atoi (optarg); break;
    case 'p': pages = strtoull (optarg, NULL, 0); break;
    case 'r': limit = atoi (optarg); break;
    case 'g': may_be_gone = true; break;
    default: return 2;
    }
  if (optind + 1 != argc || connections == 0 || pages < RUN * connections)
    return 2;
  uri = argv[optind];
  signal (SIGTERM, on_signal);
  signal (SIGPIPE, SIG_IGN);
  versions = calloc (pages, sizeof *versions);
  written = calloc (pages, sizeof *written);
  threads = calloc (connections, sizeof *threads);
  if (!versions || !written || !threads)
    fail ("calloc: %m");
  for (unsigned i = 0; i < connections; ++i) {
    threads[i].number = i;
    threads[i].random = seed + i;
    if (pthread_create (&threads[i].id, NULL, work, &threads[i]) != 0)
      fail ("pthread_create");
  }
  for (unsigned i = 0; i < connections; ++i) {
    pthread_join (threads[i].id, NULL);
    if (threads[i].longest > longest)
      longest = threads[i].longest;
  }
  verify_all ();
  printf ("%lu requests, %lu reconnects, the longest took %" PRId64 " ms\n",
          (unsigned long) requests, (unsigned long) reconnects, longest);
  free (threads);
  free (versions);
  free (written);
  return 0;
}
