/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory in use: fills pages whose content their number, their version and
 * a seed tell, touches them again in some order, verifies every byte, and
 * writes every third anew.
 *
 *   pages MIB [workers=N] [rounds=N] [seed=N] [seconds=N]
 *
 * Of a hundred pages 8 are same-filled, 6 random, and the others compress
 * about 3 to 1 by lz4, as those of programs do.  Prints one line; the exit
 * status is 1 when a byte was wrong.
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

#include "chance.h"

#define PAGE 4096
#define WORDS (PAGE / sizeof (uint64_t))

/* What a worker found, in memory that all share. */
struct result {
  uint64_t touched, wrong, longest_ms, fill_ms, rounds_ms;
};

struct worker {
  uint64_t *memory;
  uint8_t *versions;            /* by page */
  uint64_t pages, seed;
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

static uint64_t
state_of (const struct worker *w, uint64_t page)
{
  uint64_t state = w->seed ^ page << 8 ^ w->versions[page];

  next (&state);
  return state;
}

/* Word I of a page; called for each in order. */
static uint64_t
word_of (uint64_t *state, unsigned kind, uint64_t i, uint64_t first)
{
  if (kind < 8)
    return first;
  if (kind < 14 || i % 8 < 2)
    return next (state);
  return i % 8 < 4 ? first : i / 64;
}

static void
fill (const struct worker *w, uint64_t page)
{
  uint64_t state = state_of (w, page), first = state * 3;
  unsigned kind = (unsigned) (state % 100);
  uint64_t *p = w->memory + page * WORDS;

  for (uint64_t i = 0; i < WORDS; ++i)
    p[i] = word_of (&state, kind, i, first);
}

static bool
is_right (const struct worker *w, uint64_t page)
{
  uint64_t state = state_of (w, page), first = state * 3;
  unsigned kind = (unsigned) (state % 100);
  const uint64_t *p = w->memory + page * WORDS;

  for (uint64_t i = 0; i < WORDS; ++i)
    if (p[i] != word_of (&state, kind, i, first)) {
      fprintf (stderr, "page %" PRIu64 ", version %u: word %" PRIu64
               " is %016" PRIx64 "\n", page, w->versions[page], i, p[i]);
      return false;
    }
  return true;
}

/* ---- work ---- */

static void
note_time (struct worker *w, uint64_t *before)
{
  uint64_t now = now_ms ();

  if (now - *before > w->result->longest_ms)
    w->result->longest_ms = now - *before;
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

/* Each page once, in the order of a walk by a stride that meets all. */
static void
touch_all (struct worker *w, uint64_t *chance)
{
  uint64_t start = now_ms (), before = start, page = below (chance, w->pages);
  bool ordered = below (chance, 2) == 0;

  for (uint64_t n = 0; n < w->pages; ++n) {
    page = ordered ? (page + 1) % w->pages : below (chance, w->pages);
    if (!is_right (w, page))
      w->result->wrong++;
    if (below (chance, 3) == 0) {
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

static int
work (uint64_t pages, uint64_t seed, uint64_t rounds, uint64_t seconds,
      struct result *result)
{
  struct worker w = { .pages = pages, .seed = seed, .result = result };
  uint64_t chance = seed, start = now_ms ();

  w.memory = map (pages * PAGE, MAP_PRIVATE);
  w.versions = map (pages, MAP_PRIVATE);
  madvise (w.memory, pages * PAGE, MADV_NOHUGEPAGE);
  fill_all (&w);
  for (uint64_t n = 0; n < rounds || now_ms () - start < seconds * 1000; ++n)
    touch_all (&w, &chance);
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
  uint64_t rounds = argument (argc, argv, "rounds", 1);
  uint64_t seconds = argument (argc, argv, "seconds", 0);
  struct result *r, sum = { 0 };
  int failed = 0;

  if (mib == 0 || workers == 0) {
    fprintf (stderr, "usage: pages MIB [workers=N] [rounds=N] [seed=N] "
             "[seconds=N]\n");
    return 2;
  }
  r = map (workers * sizeof *r, MAP_SHARED);
  mlock (r, workers * sizeof *r);
  for (uint64_t n = 0; n < workers; ++n)
    if (fork () == 0)
      _exit (work (mib * 256 / workers, seed + n * 1000003, rounds, seconds,
                   &r[n]));
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
