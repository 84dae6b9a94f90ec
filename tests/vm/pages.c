/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory in use: fills pages whose content (content.h) their number, their
 * version and a seed tell, touches them again in some order, verifies every
 * byte, and writes every third anew.
 *
 *   pages MIB [workers=N] [rounds=N] [seed=N] [seconds=N] [stalls=MS] [hold=1]
 *         [random=N] [kind=N]
 *
 * With random=N, N of a hundred pages are random, instead of 3.  With kind=N,
 * all others are of this kind: of 80, lz4 makes 8 to 1.
 * With hold=1 it stops itself when all is filled, until SIGCONT.  Of each
 * page that took longer than stalls=, it says so, and when.
 *
 * Prints one line; the exit status is 1 when a byte was wrong.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/content.h"
#include "tests/lib/prng.h"

#define PAGE 4096
#define RUN 64                  /* neighbours touched after each other */
#define WORDS (PAGE / sizeof (uint64_t))

/* What a worker found, in memory that all share. */
struct result {
  uint64_t touched, wrong, longest_ms, fill_ms, rounds_ms;
};

struct worker {
  uint64_t *memory;
  uint8_t *versions;            /* by page */
  uint64_t pages, seed, stalls, random, kind;
  struct result *result;
};

static uint64_t
now_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

/* ---- contents ---- */

static struct content
content_of (const struct worker *w, uint64_t page)
{
  struct content c = content (w->seed ^ page << 8 ^ w->versions[page]);

  if (c.kind < w->random)
    c.kind = CONTENT_RANDOM;
  else if (w->kind)
    c.kind = (unsigned) w->kind;
  return c;
}

static void
fill (const struct worker *w, uint64_t page)
{
  content_write (content_of (w, page), w->memory + page * WORDS, WORDS);
}

static bool
is_right (const struct worker *w, uint64_t page)
{
  const uint64_t *p = w->memory + page * WORDS;
  uint64_t wrong = content_differs (content_of (w, page), p, WORDS);

  if (wrong == WORDS)
    return true;
  fprintf (stderr, "page %" PRIu64 ", version %u: word %" PRIu64
           " is %016" PRIx64 "\n", page, w->versions[page], wrong, p[wrong]);
  return false;
}

/* ---- work ---- */

static void
note_time (struct worker *w, uint64_t *before)
{
  uint64_t now = now_ms (), took = now - *before;

  if (took > w->result->longest_ms)
    w->result->longest_ms = took;
  if (took > w->stalls)
    fprintf (stderr, "stalled %" PRIu64 " ms, until %.2f s\n", took,
             (double) now / 1000);
  *before = now;
}

static void
fill_all (struct worker *w)
{
  uint64_t start = now_ms (), before = start;

  for (uint64_t page = 0; page < w->pages; ++page) {
    fill (w, page);
    note_time (w, &before);
  }
  w->result->fill_ms = now_ms () - start;
}

/* As many pages as there are, in runs of neighbours. */
static void
touch_all (struct worker *w, uint64_t *prng)
{
  uint64_t start = now_ms (), before = start, page = 0;

  for (uint64_t n = 0; n < w->pages; ++n) {
    page = n % RUN == 0 ? below (prng, w->pages) : (page + 1) % w->pages;
    if (!is_right (w, page))
      w->result->wrong++;
    if (below (prng, 3) == 0) {
      w->versions[page]++;
      fill (w, page);
    }
    w->result->touched++;
    note_time (w, &before);
  }
  w->result->rounds_ms += now_ms () - start;
}

static void
verify_all (struct worker *w)
{
  uint64_t start = now_ms (), before = start;

  for (uint64_t page = 0; page < w->pages; ++page) {
    if (!is_right (w, page))
      w->result->wrong++;
    w->result->touched++;
    note_time (w, &before);
  }
  w->result->rounds_ms += now_ms () - start;
}

static void *
map (size_t size, int flags)
{
  void *p = mmap (NULL, size, PROT_READ | PROT_WRITE,
                  flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (p == MAP_FAILED) {
    perror ("mmap");
    exit (2);
  }
  return p;
}

struct plan {
  uint64_t rounds, seconds, stalls, hold, random, kind;
};

static int
work (uint64_t pages, uint64_t seed, const struct plan *plan,
      struct result *result)
{
  struct worker w = {
    .pages = pages, .seed = seed, .stalls = plan->stalls,
    .random = plan->random, .kind = plan->kind, .result = result,
  };
  uint64_t prng = seed, start = now_ms ();

  w.memory = map (pages * PAGE, MAP_PRIVATE);
  w.versions = map (pages, MAP_PRIVATE);
  madvise (w.memory, pages * PAGE, MADV_NOHUGEPAGE);
  fill_all (&w);
  if (plan->hold)
    raise (SIGSTOP);
  for (uint64_t n = 0;
       n < plan->rounds || now_ms () - start < plan->seconds * 1000; ++n)
    touch_all (&w, &prng);
  verify_all (&w);
  return result->wrong > 0;
}

/* ---- workers ---- */

static uint64_t
argument (int argc, char *argv[], const char *name, uint64_t otherwise)
{
  size_t length = strlen (name);

  for (int i = 2; i < argc; ++i)
    if (strncmp (argv[i], name, length) == 0 && argv[i][length] == '=')
      return strtoull (argv[i] + length + 1, NULL, 10);
  return otherwise;
}

/* How a worker ended, where that was not well. */
static int
reap (void)
{
  int status;

  if (wait (&status) == -1)
    return 1;
  if (WIFSIGNALED (status))
    printf ("a worker was ended by signal %d\n", WTERMSIG (status));
  return WIFSIGNALED (status) || WEXITSTATUS (status) != 0;
}

int
main (int argc, char *argv[])
{
  uint64_t mib = argc > 1 ? strtoull (argv[1], NULL, 10) : 0;
  uint64_t workers = argument (argc, argv, "workers", 2);
  uint64_t seed = argument (argc, argv, "seed", (uint64_t) getpid ());
  const struct plan plan = {
    .rounds = argument (argc, argv, "rounds", 1),
    .seconds = argument (argc, argv, "seconds", 0),
    .stalls = argument (argc, argv, "stalls", UINT64_MAX),
    .hold = argument (argc, argv, "hold", 0),
    .random = argument (argc, argv, "random", 0),
    .kind = argument (argc, argv, "kind", 0),
  };
  struct result *r, sum = { 0 };
  int failed = 0;

  if (mib == 0 || workers == 0) {
    fprintf (stderr, "usage: pages MIB [workers=N] [rounds=N] [seed=N] "
             "[seconds=N] [stalls=MS] [hold=1] [random=N] [kind=N]\n");
    return 2;
  }
  r = map (workers * sizeof *r, MAP_SHARED);
  mlock (r, workers * sizeof *r);
  for (uint64_t n = 0; n < workers; ++n)
    if (fork () == 0)
      _exit (work (mib * 256 / workers, seed + n * 1000003, &plan, &r[n]));
  for (uint64_t n = 0; n < workers; ++n)
    failed |= reap ();
  for (uint64_t n = 0; n < workers; ++n) {
    sum.touched += r[n].touched;
    sum.wrong += r[n].wrong;
    if (r[n].longest_ms > sum.longest_ms)
      sum.longest_ms = r[n].longest_ms;
    if (r[n].fill_ms > sum.fill_ms)
      sum.fill_ms = r[n].fill_ms;
    if (r[n].rounds_ms > sum.rounds_ms)
      sum.rounds_ms = r[n].rounds_ms;
  }
  printf ("seed=%" PRIu64 " pages=%" PRIu64 " touched=%" PRIu64
          " wrong=%" PRIu64 " longest_ms=%" PRIu64 " fill_ms=%" PRIu64
          " rounds_ms=%" PRIu64 "\n", seed, mib * 256, sum.touched, sum.wrong,
          sum.longest_ms, sum.fill_ms, sum.rounds_ms);
  return failed || sum.wrong > 0;
}
