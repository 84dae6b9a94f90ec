/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kill the server again and again: what was acknowledged is there.
 *
 *   nbd-kill [-s SEED] [-n ROUNDS] [-t THREADS] [-p PAGE_SIZE] [-e EXPORTS]
 *            [-l MS] [-m CONTROL] SOCKET POOL COMMAND...
 *   nbd-kill -S ...              kill it while it starts, too
 *
 * COMMAND serves the pool file POOL at SOCKET.  Threads write, trim and
 * change parts of pages, each its own, while the server is killed with
 * SIGKILL.  The next server must show every page as it was acknowledged
 * or, if a request on it was in flight, as it would have become: whole,
 * one or the other.
 *
 * With -e the pages are those of so many exports, called "0" and so on, with
 * a thread for each.
 *
 * With -l each server lives so many milliseconds before it is in danger.
 *
 * With -m another thread has the server maintain its pages meanwhile, by
 * its control socket CONTROL; and of pages written back, in groups, and
 * that share an object, some must be there after kills.
 *
 * With -S each round is a new pool, whose first server is killed at some
 * moment between fork and readiness, and so is the second; the third
 * must start and serve an empty disk.
 */

#include <config.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nbd-kill.h"

uint64_t seed = 1, disk_size, n_pages, acknowledged, in_flight_seen;
unsigned rounds = 100, threads = 3, exports, round_now;
static uint64_t safe_us;
uint32_t page_size = 4096;
static bool during_start;
const char *socket_path, *pool, *control;
atomic_bool killed;
char **command;
struct page *pages;

void
fail (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  fprintf (stderr, "nbd-kill: SEED=%" PRIu64 ", round %u: ", seed, round_now);
  vfprintf (stderr, fmt, args);
  fputc ('\n', stderr);
  va_end (args);
  exit (1);
}

void *
allocate (size_t size)
{
  void *p = calloc (1, size);

  if (!p)
    fail ("calloc: %m");
  return p;
}

/* ---- rounds ---- */

/* On a machine that is so busy that what must be seen after a kill was not
 * in as many rounds as it should have been, servers live longer and longer.
 */
static uint64_t
time_to_live (uint64_t *random)
{
  unsigned late = round_now / rounds;

  return safe_us + below (random, UINT64_C (1) << (below (random, 16)
                                                   + (control ? 3 : 0)
                                                   + (late < 5 ? late : 5)));
}

static void
work_until_killed (pid_t server, uint64_t *random)
{
  struct worker *workers = allocate (threads * sizeof *workers);
  pthread_t ids[threads], maintainer;
  uint64_t prng = next (random);

  for (unsigned i = 0; i < threads; ++i) {
    struct worker *w = &workers[i];

    w->id = i;
    w->random = next (random);
    w->nbd = connect_to (server, i);
    for (unsigned k = 0; k < DEPTH; ++k)
      w->ops[k].data = allocate (RUN * page_size);
    if (pthread_create (&ids[i], NULL, work, w) != 0)
      fail ("pthread_create");
  }
  killed = false;
  if (control && pthread_create (&maintainer, NULL, maintain, &prng) != 0)
    fail ("pthread_create");
  sleep_us (time_to_live (random));
  kill_server (server);
  killed = true;
  if (control)
    pthread_join (maintainer, NULL);
  for (unsigned i = 0; i < threads; ++i) {
    pthread_join (ids[i], NULL);
    nbd_close (workers[i].nbd);
    for (unsigned k = 0; k < DEPTH; ++k)
      free (workers[i].ops[k].data);
  }
  free (workers);
}

/* All that kills may have lost track of is found again: a trimmed disk
 * leaves next to nothing, besides what the arena keeps for the next
 * writes: half a megabyte, or one zspage of the largest pages.
 */
#define SPARE (1024 * 1024)

static void
trim_disk (struct nbd_handle *nbd, unsigned export)
{
  (void) export;
  if (nbd_trim (nbd, disk_size, 0, 0) == -1)
    fail ("trim: %s", nbd_get_error ());
}

static void
check_nothing_leaked (pid_t server)
{
  struct stat st;

  for_each_export (server, trim_disk);
  if (stat (pool, &st) == -1)
    fail ("%s: %m", pool);
  if (st.st_size > 0 && (uint64_t) st.st_blocks * 512
                        > 64 * 1024 + exports * 4096 + SPARE)
    fail ("the trimmed pool still holds %" PRIu64 " bytes",
          (uint64_t) st.st_blocks * 512);
}

/* On a busy machine, most servers may be killed before they have
 * maintained anything.
 */
static bool
another_round (void)
{
  return round_now < rounds
    || (control && !all_survived () && round_now < 20 * rounds);
}

static void
kill_at_work (uint64_t *random)
{
  pid_t server = start_server ();
  struct nbd_handle *nbd = connect_to (server, 0);

  disk_size = (uint64_t) nbd_get_size (nbd);
  n_pages = disk_size / page_size * (exports > 0 ? exports : 1);
  if (disk_size % (RUN * page_size) != 0)
    fail ("the disk must be a multiple of %" PRIu32, RUN * page_size);
  if (n_pages / RUN / threads < 2 * DEPTH)
    fail ("the disk is too small for the requests in flight");
  nbd_close (nbd);
  pages = allocate (n_pages * sizeof *pages);
  for (uint64_t i = 0; i < n_pages; ++i) {
    pages[i].acked = allocate (page_size);
    pages[i].pending = allocate (page_size);
  }

  for (round_now = 0; another_round (); ++round_now) {
    work_until_killed (server, random);
    server = start_server ();
    nbd_close (connect_to (server, 0));
    if (control)
      look_at_status ();
    for_each_export (server, check_disk);
    if (control)
      look_at_status ();
  }
  check_nothing_leaked (server);
  kill_server (server);
  printf ("%u kills, %" PRIu64 " requests acknowledged, %" PRIu64
          " pages new without it\n", round_now, acknowledged,
          in_flight_seen);
  if (control)
    report_survivors ();
}

static uint64_t
time_to_start (void)
{
  double start = now ();
  pid_t server = start_server ();

  nbd_close (connect_to (server, 0));
  kill_server (server);
  unlink (pool);
  return (uint64_t) ((now () - start) * 1e6);
}

static void
kill_at_start (uint64_t *random)
{
  uint64_t start_us = time_to_start ();
  uint8_t buf[4096], zeroes[4096] = { 0 };

  for (round_now = 0; round_now < rounds; ++round_now) {
    struct nbd_handle *nbd;
    pid_t server;

    for (int i = 0; i < 2; ++i) {
      server = start_server ();
      sleep_us (below (random, start_us + start_us / 8));
      kill_server (server);
    }
    server = start_server ();
    nbd = connect_to (server, 0);
    if (nbd_pread (nbd, buf, sizeof buf, 0, 0) == -1)
      fail ("read: %s", nbd_get_error ());
    if (memcmp (buf, zeroes, sizeof buf) != 0)
      fail ("the new disk is not empty");
    memset (buf, 'x', sizeof buf);
    buf[0] = (uint8_t) round_now;
    if (nbd_pwrite (nbd, buf, sizeof buf, 0, 0) == -1)
      fail ("write: %s", nbd_get_error ());
    nbd_close (nbd);
    kill_server (server);

    /* ... nor does a kill harm what is there. */
    server = start_server ();
    sleep_us (below (random, start_us));
    kill_server (server);
    server = start_server ();
    nbd = connect_to (server, 0);
    if (nbd_pread (nbd, zeroes, sizeof zeroes, 0, 0) == -1)
      fail ("read: %s", nbd_get_error ());
    if (memcmp (buf, zeroes, sizeof buf) != 0)
      fail ("the page written is gone");
    memset (zeroes, 0, sizeof zeroes);
    nbd_close (nbd);
    kill_server (server);
    unlink (pool);
  }
  printf ("%u new pools, a start takes %" PRIu64 " us\n", rounds, start_us);
}

int
main (int argc, char *argv[])
{
  uint64_t random;
  int c;

  while ((c = getopt (argc, argv, "+s:n:t:p:e:l:m:S")) != -1)
    switch (c) {
    case 's': seed = strtoull (optarg, NULL, 0); break;
    case 'n': rounds = (unsigned) atoi (optarg); break;
    case 't': threads = (unsigned) atoi (optarg); break;
    case 'p': page_size = (uint32_t) atoi (optarg); break;
    case 'e': exports = threads = (unsigned) atoi (optarg); break;
    case 'l': safe_us = strtoull (optarg, NULL, 0) * 1000; break;
    case 'm': control = optarg; break;
    case 'S': during_start = true; break;
    default: return 2;
    }
  if (argc - optind < 3 || threads == 0)
    return 2;
  socket_path = argv[optind];
  pool = argv[optind + 1];
  command = argv + optind + 2;

  random = seed;
  if (during_start)
    kill_at_start (&random);
  else
    kill_at_work (&random);
  return 0;
}
