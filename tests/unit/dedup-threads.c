/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that use one index of fingerprints: objects are freed once, and not
 * while another thread holds them.
 */

#include <config.h>

#include <pthread.h>
#include <stdio.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "tests/lib/dedup-index.h"

static struct rng rng;

#define THREADS 4
#define THREAD_STEPS 50000
#define THREAD_FPS 24
#define THREAD_HELD 24

/* Stands for an object: what its allocator would know. */
struct fake_object {
  _Atomic unsigned holders;
  _Atomic bool taken;
  uint32_t fp;
};

static struct {
  struct fixture f;
  struct fake_object objects[THREADS * THREAD_STEPS * 2];
  _Atomic unsigned made, wrong;
} shared;

struct holder {
  pthread_t thread;
  struct rng rng;
  bool maintains;
  slot_t held[THREAD_HELD];
};

static void
check_true (bool right, const char *what)
{
  if (!right && shared.wrong++ == 0)
    fprintf (stderr, "%s\n", what);
}

static struct fake_object *
fake_of (slot_t slot)
{
  return &shared.objects[slot_offset (slot) / 4096];
}

static slot_t
fake_make (uint32_t fp)
{
  unsigned id = shared.made++;
  slot_t slot = slot_of (id, fp);

  shared.objects[id].fp = fp;
  shared.objects[id].holders = 1;
  shared.objects[id].taken = true;
  return slot;
}

/* No other thread may hold a reference to an object that is freed. */
static void
fake_free (slot_t slot)
{
  check_true (fake_of (slot)->holders == 0,
              "freed while a thread refers to it");
  check_true (atomic_exchange (&fake_of (slot)->taken, false), "freed twice");
}

static slot_t
hold (uint32_t fp)
{
  slot_t slot = take (&shared.f, fp, 0);

  if (slot == SLOT_EMPTY) {
    slot = fake_make (fp);
    dedup_insert (&shared.f.x, fp, 0, slot);
    return slot;
  }
  fake_of (slot)->holders++;
  check_true (fake_of (slot)->taken, "shared when freed");
  check_true (fake_of (slot)->fp == fp, "another fingerprint");
  return slot;
}

static void
let_go (slot_t slot)
{
  struct fake_object *o = fake_of (slot);

  check_true (o->taken, "freed while held");
  o->holders--;
  if (drop (&shared.f.x, o->fp, slot))
    fake_free (slot);
}

static void
move (slot_t *slot)
{
  slot_t from = *slot, to = fake_make (fake_of (from)->fp);

  if (dedup_move (&shared.f.x, fake_of (from)->fp, from, to)) {
    *slot = to;
    fake_of (from)->holders--;
    fake_free (from);
  }
  else {
    fake_of (to)->holders--;
    fake_free (to);
  }
}

static void
maintain (struct holder *h)
{
  struct dedup_stats st;
  const char *wrong = dedup_check (&shared.f.x);

  check_true (!wrong, wrong);
  dedup_get_stats (&shared.f.x, &st);
  check_true (st.nodes + st.shared <= THREADS * THREAD_HELD, "too many");
  if (rng_below (&h->rng, 2))
    dedup_forget (&shared.f.x, 0);
}

static void *
hold_and_let_go (void *arg)
{
  struct holder *h = arg;

  for (unsigned i = unit_scaled (THREAD_STEPS); i > 0; --i) {
    slot_t *slot = &h->held[rng_below (&h->rng, THREAD_HELD)];

    if (*slot == SLOT_EMPTY)
      *slot = hold (fp_of (rng_below (&h->rng, THREAD_FPS)));
    else if (rng_below (&h->rng, 3) == 0)
      move (slot);
    else {
      let_go (*slot);
      *slot = SLOT_EMPTY;
    }
    if (h->maintains && i % 128 == 0)
      maintain (h);
  }
  return NULL;
}

TEST (threads_share_and_free_once)
{
  struct holder holders[THREADS];
  uint64_t references = 0;
  struct dedup_stats st;

  open_index (&shared.f, 0);
  for (unsigned t = 0; t < THREADS; ++t) {
    holders[t] = (struct holder) { .rng = { rng_next (&rng) },
                                   .maintains = t == 0 };
    assert_int_equal (pthread_create (&holders[t].thread, NULL,
                                      hold_and_let_go, &holders[t]), 0);
  }
  for (unsigned t = 0; t < THREADS; ++t)
    pthread_join (holders[t].thread, NULL);
  assert_int_equal (shared.wrong, 0);
  assert_index_ok (&shared.f.x);

  for (unsigned t = 0; t < THREADS; ++t)
    for (unsigned i = 0; i < THREAD_HELD; ++i)
      references += holders[t].held[i] != SLOT_EMPTY;
  dedup_get_stats (&shared.f.x, &st);
  assert_true (st.nodes + st.shared <= references);

  for (unsigned t = 0; t < THREADS; ++t)
    for (unsigned i = 0; i < THREAD_HELD; ++i)
      if (holders[t].held[i] != SLOT_EMPTY)
        let_go (holders[t].held[i]);
  for (unsigned i = 0; i < shared.made; ++i)
    assert_false (shared.objects[i].taken);
  assert_int_equal (shared.wrong, 0);
  assert_stats (&shared.f, 0, 0);
  close_index (&shared.f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (threads_share_and_free_once),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests_name ("dedup-threads", tests, NULL, NULL);
}
