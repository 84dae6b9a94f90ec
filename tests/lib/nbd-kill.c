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

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libnbd.h>

#include "prng.h"

#define DEPTH 6                 /* requests in flight, per thread */
#define RUN 8                   /* pages in a row of one owner */
#define READY_SECONDS 60

/* What a page may hold: as acknowledged, or as a request on it, not yet
 * answered, would make it.
 */
struct page {
  uint8_t *acked;
  uint8_t *pending;
  bool in_flight;
  uint32_t version;
};

enum kind { WRITE, WRITE_PART, TRIM, ZERO, KINDS };

struct op {
  enum kind kind;
  uint64_t first;               /* pages */
  unsigned count;
  uint32_t start, length;       /* bytes, from the first page */
  int64_t cookie;
  uint8_t *data;
};

struct worker {
  unsigned id;
  uint64_t random;
  struct nbd_handle *nbd;
  struct op ops[DEPTH];
};

static uint64_t seed = 1, disk_size, n_pages, acknowledged, in_flight_seen;
static unsigned rounds = 100, threads = 3, exports, round_now;
static uint64_t safe_us;
static uint32_t page_size = 4096;
static bool during_start;
static const char *socket_path, *pool, *control;
static atomic_bool killed;
static char **command;
static struct page *pages;

static void __attribute__ ((noreturn, format (printf, 1, 2)))
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

static void *
allocate (size_t size)
{
  void *p = calloc (1, size);

  if (!p)
    fail ("calloc: %m");
  return p;
}

/* ---- the server ---- */

static pid_t
start_server (void)
{
  pid_t pid;

  unlink (socket_path);
  pid = fork ();

  if (pid == -1)
    fail ("fork: %m");
  if (pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    execvp (command[0], command);
    _exit (127);
  }
  return pid;
}

static void
kill_server (pid_t pid)
{
  int status;

  kill (pid, SIGKILL);
  if (waitpid (pid, &status, 0) != pid)
    fail ("waitpid: %m");
  if (!WIFSIGNALED (status) || WTERMSIG (status) != SIGKILL)
    fail ("the server ended by itself: status %#x", (unsigned) status);
}

static double
now (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static void
sleep_us (uint64_t us)
{
  nanosleep (&(struct timespec) {
    .tv_sec = (time_t) (us / 1000000),
    .tv_nsec = (long) (us % 1000000 * 1000),
  }, NULL);
}

static struct nbd_handle *
connect_once (unsigned export)
{
  struct nbd_handle *nbd = nbd_create ();
  char name[16] = "";

  if (exports > 0)
    snprintf (name, sizeof name, "%u", export);
  if (!nbd || nbd_set_export_name (nbd, name) == -1
      || nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == -1)
    fail ("%s", nbd_get_error ());
  if (nbd_connect_unix (nbd, socket_path) == 0)
    return nbd;
  nbd_close (nbd);
  return NULL;
}

/* Connect to a server that may still be starting. */
static struct nbd_handle *
connect_to (pid_t server, unsigned export)
{
  double give_up = now () + READY_SECONDS;
  struct nbd_handle *nbd;

  while ((nbd = connect_once (export)) == NULL) {
    if (waitpid (server, NULL, WNOHANG) != 0)
      fail ("the server did not start");
    if (now () > give_up)
      fail ("the server is not ready: %s", nbd_get_error ());
    sleep_us (2000);
  }
  return nbd;
}

/* ---- where pages are ---- */

/* Runs go from export to export, and so from thread to thread. */
static unsigned
export_of (uint64_t page)
{
  return exports > 0 ? (unsigned) (page / RUN % exports) : 0;
}

static uint64_t
offset_of (uint64_t page)
{
  return (exports > 0 ? page / RUN / exports * RUN + page % RUN : page)
    * page_size;
}

static uint64_t
page_at (unsigned export, uint64_t offset)
{
  uint64_t page = offset / page_size;

  return exports > 0 ? (page / RUN * exports + export) * RUN + page % RUN
                     : page;
}

/* ---- what pages hold ---- */

/* From few phrases, which a dictionary would know. */
static void
fill_phrases (uint64_t random, uint8_t *p)
{
  for (uint32_t i = 0; i < page_size; i += 64) {
    uint64_t phrase = below (&random, 200), word;

    for (unsigned k = 0; k < 64; k += sizeof word) {
      word = next (&phrase);
      memcpy (p + i + k, &word, sizeof word);
    }
  }
}

/* Version VERSION of page INDEX: incompressible, text, half of each, or
 * one word all over, but never that of another page or version; or, now
 * and then, the same as that of others.
 */
static void
fill_page (uint64_t index, uint32_t version, uint8_t *p)
{
  uint64_t random = seed ^ (index << 32 | version);
  uint64_t words[2] = { index, version };
  uint32_t noise = 0;

  switch (below (&random, 8)) {
  case 0: noise = page_size; break;
  case 1: noise = page_size / 2; break;
  case 2: noise = page_size * 3 / 4; break;
  case 3:                       /* a word that a slot can't hold */
    words[0] = words[1]
      = UINT64_C (0x4000000000000000) | index << 32 | version;
    break;
  case 4:
    fill_phrases (random % 64, p);
    return;
  case 5:
  case 6:
    fill_phrases (random, p);
    memcpy (p, words, sizeof words);
    return;
  default:
    break;
  }
  for (uint32_t i = 0; i < page_size; i += sizeof words)
    memcpy (p + i, words, sizeof words);
  for (uint32_t i = sizeof words; i < noise; ++i)
    p[i] = (uint8_t) next (&random);
}

/* ---- requests ---- */

static bool
run_is_free (uint64_t first)
{
  for (uint64_t i = first; i < first + RUN && i < n_pages; ++i)
    if (pages[i].in_flight)
      return false;
  return true;
}

static uint64_t
pick_run (struct worker *w)
{
  uint64_t runs = n_pages / RUN, run;

  do
    run = below (&w->random, runs);
  while (run % threads != w->id || !run_is_free (run * RUN));
  return run * RUN;
}

/* Put in PENDING what the request makes of its pages. */
static void
foresee (struct op *op)
{
  uint8_t *whole = allocate ((size_t) op->count * page_size);
  uint64_t version;

  for (unsigned i = 0; i < op->count; ++i) {
    struct page *page = &pages[op->first + i];

    memcpy (whole + i * page_size, page->acked, page_size);
    version = ++page->version;
    if (op->kind == WRITE || op->kind == WRITE_PART)
      fill_page (op->first + i, (uint32_t) version,
                 op->data + i * page_size);
  }
  if (op->kind == TRIM || op->kind == ZERO)
    memset (whole + op->start, 0, op->length);
  else
    memcpy (whole + op->start, op->data + op->start, op->length);
  for (unsigned i = 0; i < op->count; ++i) {
    struct page *page = &pages[op->first + i];

    memcpy (page->pending, whole + i * page_size, page_size);
    page->in_flight = true;
  }
  free (whole);
}

static void
pick_op (struct worker *w, struct op *op)
{
  uint64_t run = pick_run (w);

  op->kind = (enum kind) below (&w->random, KINDS);
  if (below (&w->random, 2) == 0)
    op->kind = WRITE;
  op->first = run + below (&w->random, RUN);
  op->count = 1 + (unsigned) below (&w->random, run + RUN - op->first);
  op->start = 0;
  op->length = op->count * page_size;
  if (op->kind == WRITE_PART
      || ((op->kind == TRIM || op->kind == ZERO)
          && below (&w->random, 3) == 0)) {
    op->start = (uint32_t) below (&w->random, page_size);
    op->length -= op->start;
    op->length -= (uint32_t) below (&w->random, op->count > 1 ? page_size
                                    : op->length);
  }
  foresee (op);
}

static int
start_op (struct worker *w, struct op *op)
{
  uint64_t offset = offset_of (op->first) + op->start;

  switch (op->kind) {
  case WRITE:
  case WRITE_PART:
    op->cookie = nbd_aio_pwrite (w->nbd, op->data + op->start, op->length,
                                 offset, NBD_NULL_COMPLETION, 0);
    break;
  case TRIM:
    op->cookie = nbd_aio_trim (w->nbd, op->length, offset,
                               NBD_NULL_COMPLETION, 0);
    break;
  default:
    op->cookie = nbd_aio_zero (w->nbd, op->length, offset,
                               NBD_NULL_COMPLETION, 0);
  }
  return op->cookie == -1 ? -1 : 0;
}

/* 0 when it was acknowledged, -1 when the server is gone. */
static int
finish_op (struct worker *w, struct op *op)
{
  int r;

  while ((r = nbd_aio_command_completed (w->nbd, (uint64_t) op->cookie)) == 0)
    if (nbd_poll (w->nbd, -1) == -1)
      return -1;
  if (r == -1) {
    int err = nbd_get_errno ();

    if (!nbd_aio_is_ready (w->nbd) || err == ENOTCONN || err == ESHUTDOWN)
      return -1;
    fail ("a request failed: %s", nbd_get_error ());
  }
  for (unsigned i = 0; i < op->count; ++i) {
    struct page *page = &pages[op->first + i];
    uint8_t *swap = page->acked;

    page->acked = page->pending;
    page->pending = swap;
    page->in_flight = false;
  }
  __atomic_add_fetch (&acknowledged, 1, __ATOMIC_RELAXED);
  return 0;
}

static void *
work (void *opaque)
{
  struct worker *w = opaque;
  unsigned started = 0, finished = 0;

  for (;;) {
    struct op *op = &w->ops[started % DEPTH];

    if (started - finished == DEPTH) {
      if (finish_op (w, op) == -1)
        break;
      finished++;
    }
    pick_op (w, op);
    if (start_op (w, op) == -1)
      break;
    started++;
  }
  /* Answers that have come are answers. */
  for (; finished != started; finished++)
    if (finish_op (w, &w->ops[finished % DEPTH]) == -1)
      continue;
  return NULL;
}

/* ---- what is there after the kill ---- */

static void
describe (const struct page *page, uint64_t index, const uint8_t *found)
{
  uint32_t same_old = 0, same_new = 0;

  for (uint32_t i = 0; i < page_size; ++i) {
    same_old += found[i] == page->acked[i];
    same_new += found[i] == page->pending[i];
  }
  fail ("page %" PRIu64 " (%s): %" PRIu32 " of %" PRIu32
        " bytes are as acknowledged, %" PRIu32 " as pending",
        index, page->in_flight ? "in flight" : "at rest",
        same_old, page_size, same_new);
}

static void
check_page (uint64_t index, const uint8_t *found)
{
  struct page *page = &pages[index];

  if (memcmp (found, page->acked, page_size) != 0) {
    if (!page->in_flight || memcmp (found, page->pending, page_size) != 0)
      describe (page, index, found);
    memcpy (page->acked, found, page_size);
    in_flight_seen++;
  }
  page->in_flight = false;
}

static bool
is_zero (const uint8_t *p)
{
  return p[0] == 0 && memcmp (p, p + 1, page_size - 1) == 0;
}

struct extents_check {
  unsigned export;
  uint64_t next;                /* offset */
};

static int
check_extents (void *opaque, const char *context, uint64_t offset,
               uint32_t *entries, size_t n, int *error)
{
  struct extents_check *c = opaque;

  (void) context;
  (void) error;
  for (size_t i = 0; i < n; i += 2) {
    for (uint64_t o = offset; o < offset + entries[i]; o += page_size)
      if (entries[i + 1] != 0
          && !is_zero (pages[page_at (c->export, o)].acked))
        fail ("block status calls page %" PRIu64 " zero",
              page_at (c->export, o));
    offset += entries[i];
  }
  c->next = offset;
  return 0;
}

static void
check_disk (struct nbd_handle *nbd, unsigned export)
{
  size_t chunk = RUN * page_size;
  uint8_t *buf = allocate (chunk);
  struct extents_check c = { .export = export };

  for (uint64_t i = 0; i < n_pages; i += RUN) {
    if (export_of (i) != export)
      continue;
    if (nbd_pread (nbd, buf, chunk, offset_of (i), 0) == -1)
      fail ("read of page %" PRIu64 ": %s", i, nbd_get_error ());
    for (unsigned k = 0; k < RUN; ++k)
      check_page (i + k, buf + k * page_size);
  }
  free (buf);
  while (c.next < disk_size)
    if (nbd_block_status (nbd, disk_size - c.next, c.next,
                          (nbd_extent_callback) {
                            .callback = check_extents, .user_data = &c,
                          }, 0) == -1)
      fail ("block status: %s", nbd_get_error ());
}

static void
for_each_export (pid_t server, void (*fn) (struct nbd_handle *nbd,
                                           unsigned export))
{
  for (unsigned i = 0; i < (exports > 0 ? exports : 1); ++i) {
    struct nbd_handle *nbd = connect_to (server, i);

    fn (nbd, i);
    nbd_close (nbd);
  }
}

/* ---- maintenance ---- */

/* -1 when nobody listens. */
static int
connect_control (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd == -1)
    fail ("socket: %m");
  strncpy (address.sun_path, control, sizeof address.sun_path - 1);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  close (fd);
  return -1;
}

/* One request, and its reply, a line.  -1 when the server is gone. */
static int
ask (int fd, const char *request, char *reply, size_t size)
{
  size_t length = strlen (request), done = 0;
  ssize_t r;

  if (send (fd, request, length, MSG_NOSIGNAL) != (ssize_t) length)
    return -1;
  while (done == 0 || reply[done - 1] != '\n') {
    r = recv (fd, reply + done, size - 1 - done, 0);
    if (r <= 0)
      return -1;
    done += (size_t) r;
  }
  reply[done] = '\0';
  return 0;
}

/* Have pages maintained, until the server is killed. */
static void *
maintain (void *opaque)
{
  static const char *const requests[] = {
    "{\"verb\": \"writeback\", \"type\": \"all\"}\n",
    "{\"verb\": \"writeback\", \"type\": \"huge\"}\n",
    "{\"verb\": \"writeback\", \"end\": 500}\n",
    "{\"verb\": \"recompress\"}\n",
    "{\"verb\": \"recompress\", \"group\": true}\n",
    "{\"verb\": \"recompress\", \"group\": true, \"end\": 500}\n",
    "{\"verb\": \"compact\"}\n",
    "{\"verb\": \"trim-empty\"}\n",
  };
  uint64_t *random = opaque;
  char reply[16384];

  while (!killed) {
    int fd = connect_control ();

    if (fd == -1)
      continue;
    while (ask (fd, requests[below (random, sizeof requests
                                            / sizeof requests[0])],
                reply, sizeof reply) == 0)
      if (strstr (reply, "\"ok\": true") == NULL
          && strstr (reply, "is full") == NULL)
        fail ("maintenance: %s", reply);
    close (fd);
  }
  return NULL;
}

/* What a server found in its pool, of which some must have survived, and
 * what must not be.
 */
static uint64_t survived[3];
static const char *const survivors[3] = {
  "bd_count", "group_pages", "dup_pages",
};

static uint64_t
number_in (const char *reply, const char *key)
{
  char quoted[64];
  const char *found;

  snprintf (quoted, sizeof quoted, "\"%s\": ", key);
  found = strstr (reply, quoted);
  if (!found)
    fail ("no %s in %s", key, reply);
  return strtoull (found + strlen (quoted), NULL, 10);
}

static void
look_at_status (void)
{
  static const char *const errors[] = {
    "checksum_errors", "bad_slots", "failed_reads", "bd_read_errors",
    "bd_write_errors",
  };
  char reply[16384];
  int fd = connect_control ();

  if (fd == -1 || ask (fd, "{\"verb\": \"status\"}\n", reply,
                       sizeof reply) == -1)
    fail ("no status from %s", control);
  close (fd);
  for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; ++i)
    if (number_in (reply, errors[i]) != 0)
      fail ("%" PRIu64 " %s", number_in (reply, errors[i]), errors[i]);
  for (unsigned i = 0; i < 3; ++i)
    survived[i] += number_in (reply, survivors[i]);
}

static bool
all_survived (void)
{
  return survived[0] > 0 && survived[1] > 0 && survived[2] > 0;
}

static void
report_survivors (void)
{
  for (unsigned i = 0; i < 3; ++i) {
    printf ("%s%s %" PRIu64, i ? ", " : "on average: ", survivors[i],
            survived[i] / round_now);
    if (survived[i] == 0)
      fail ("no %s after any kill", survivors[i]);
  }
  printf ("\n");
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
