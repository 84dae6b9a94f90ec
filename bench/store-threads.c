/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two threads against one. */

#include <config.h>

#include <err.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "store.h"

/* The second thread sleeps while the first works alone.  It is woken,
 * and has said so, before the clock of a turn of both starts.
 */
struct helper {
  pthread_t thread;
  struct runner runner;
  const struct side *side;      /* what to do; NULL: end */
  size_t first, end;
  sem_t asked;
  _Atomic bool awake, start, done;
};

static void *
help (void *arg)
{
  struct helper *h = arg;

  for (;;) {
    while (sem_wait (&h->asked) == -1)
      ;
    if (!h->side)
      return NULL;
    h->awake = true;
    while (!h->start)
      ;
    h->side->run (&h->runner, h->side, h->first, h->end);
    h->done = true;
  }
}

static void
wake (struct helper *h, const struct side *side, size_t first, size_t end)
{
  h->side = side;
  h->first = first;
  h->end = end;
  h->awake = h->start = h->done = false;
  sem_post (&h->asked);
}

static void
helper_start (struct helper *h, struct bench *b)
{
  runner_init (&h->runner, b);
  sem_init (&h->asked, 0, 0);
  if (pthread_create (&h->thread, NULL, help, h) != 0)
    errx (EXIT_FAILURE, "pthread_create");
}

static void
helper_end (struct helper *h)
{
  wake (h, NULL, 0, 0);
  pthread_join (h->thread, NULL);
  sem_destroy (&h->asked);
  runner_free (&h->runner);
}

static double
timed_both (struct runner *r, struct helper *h, const struct side *side,
            const size_t bounds[4])
{
  double start;

  wake (h, side, bounds[2], bounds[3]);
  while (!h->awake)
    ;
  start = now ();
  h->start = true;
  side->run (r, side, bounds[0], bounds[1]);
  while (!h->done)
    ;
  return now () - start;
}

static double
timed_alone (struct runner *r, const struct side *side, const size_t bounds[4])
{
  double start = now ();

  side->run (r, side, bounds[0], bounds[1]);
  side->run (r, side, bounds[2], bounds[3]);
  return now () - start;
}

/* A turn is a part of the first half of the pages, and the like part of
 * the second half: one thread does one after the other, or two do both.
 */
static void
bounds_of_turn (size_t bounds[4], size_t pages, const struct turns *t,
                size_t turn)
{
  size_t half = pages / 2;

  bounds[0] = turn * half / t->count;
  bounds[1] = (turn + 1) * half / t->count;
  bounds[2] = bounds[0] + half;
  bounds[3] = bounds[1] + half;
}

static void
threads_round (struct runner *r, struct helper *h, struct turns *t,
               const struct side *side)
{
  double sum[2] = { 0 };
  size_t bounds[4], turn;

  for (size_t i = 0; i < t->count; ++i) {
    bounds_of_turn (bounds, r->b->data.count, t, i);
    turns_note (t, 0, i, timed_alone (r, side, bounds), sum);
    turn = (i + t->count / 2) % t->count;
    bounds_of_turn (bounds, r->b->data.count, t, turn);
    turns_note (t, 1, turn, timed_both (r, h, side, bounds), sum);
  }
  round_done (t, sum);
}

/* The bare loop shows how far the machine itself lets two threads be
 * faster than one.
 */
static void
measure_scaling (struct bench *b, struct runner *r, struct helper *h,
                 const struct side sides[2], const char *const whats[2])
{
  static const char *const names[2] = { "one", "two" };
  struct turns t[2];
  double start = now ();

  for (int s = 0; s < 2; ++s)
    t[s] = turns_new (b->data.count, b->rounds);
  for (size_t i = 0; go_on (b, i, start); ++i)
    for (int s = 0; s < 2; ++s)
      threads_round (r, h, &t[s], &sides[s]);
  report (b, whats[0], &t[0], names, AT_LEAST, 1.8);
  report (b, whats[1], &t[1], names, NO_TARGET, 0);
  for (int s = 0; s < 2; ++s)
    turns_free (&t[s]);
}

void
measure_threads (struct bench *b, struct runner *r)
{
  static const struct side writes[2]
    = { { store_write, 0 }, { bare_write, 0 } };
  static const struct side reads[2] = { { store_read, 0 }, { bare_read, 0 } };
  struct helper h;

  helper_start (&h, b);
  measure_scaling (b, r, &h, writes, (const char *const[]) {
      "write, 2 threads / 1", "bare compression, 2 threads / 1" });
  measure_scaling (b, r, &h, reads, (const char *const[]) {
      "read, 2 threads / 1", "bare decompression, 2 threads / 1" });
  helper_end (&h);
}
