/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "lib/backing/backing.h"
#include "lib/base/mutex.h"
#include "lib/base/os.h"

#include "compact.h"
#include "idle.h"
#include "maintainer.h"
#include "recompress.h"
#include "reconfigure.h"
#include "writeback.h"

#define TICK_NS UINT64_C (1000000000)   /* between two looks at the pool: a
                                         * second, the unit of ages */
#define SLICE_NS UINT64_C (2000000)     /* of work between two sleeps */
#define YIELD_NS UINT64_C (1000000)     /* of one pause for requests */
#define YIELDS_MAX 8                    /* pauses, one after the other */

/* ---- time ---- */

static uint64_t
clock_ns (clockid_t clock)
{
  struct timespec ts;

  clock_gettime (clock, &ts);
  return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

/* Sleep for NS nanoseconds, or until a write waits for memory.  Returns false
 * at once when the thread is to stop.
 */
static bool
sleep_for (struct maintainer *m, uint64_t ns)
{
  uint64_t until = clock_ns (CLOCK_MONOTONIC) + ns;
  struct timespec ts = {
    .tv_sec = (time_t) (until / 1000000000),
    .tv_nsec = (long) (until % 1000000000),
  };

  LOCK_FOR_SCOPE (&m->lock);
  while (!m->stop && !reclaim_is_wanted (&m->pool->reclaim)
         && pthread_cond_timedwait (&m->wake, &m->lock, &ts) != ETIMEDOUT)
    ;
  return !m->stop;
}

/* ---- the share of a processor ---- */

/* Sleep for as long as the share demands after the work that was done. */
static bool
sleep_for_share (struct maintainer *m)
{
  uint64_t now = clock_ns (CLOCK_THREAD_CPUTIME_ID);
  uint64_t worked = now - m->worked_until;
  struct maintainer_settings s;

  if (worked < SLICE_NS)
    return true;
  maintainer_get_settings (m, &s);
  m->worked_until = now;
  atomic_store_explicit (&m->counters.cpu_ns, now, memory_order_relaxed);
  return s.cpu >= 100 || sleep_for (m, worked * (100 - s.cpu) / s.cpu);
}

static bool
is_busy (struct maintainer *m)
{
  return streams_in_use (&m->pool->streams) >= m->processors;
}

static bool
yield_to_requests (struct maintainer *m)
{
  for (int i = 0; i < YIELDS_MAX && is_busy (m); ++i)
    if (!sleep_for (m, YIELD_NS))
      return false;
  return true;
}

/* A job ends early, to be continued later, when a user's command or a write
 * waits: they can't wait for all the sleeps of a job.
 */
static bool
may_go_on (void *opaque)
{
  struct maintainer *m = opaque;

  return !maintenance_is_wanted (m->pool)
    && !reclaim_is_wanted (&m->pool->reclaim) && sleep_for_share (m)
    && yield_to_requests (m);
}

static struct selection
select_idle (uint64_t seconds)
{
  return (struct selection) {
    .type = PAGES_IDLE,
    .idle_age = MAX (1, age_of_seconds (seconds)),
  };
}

/* ---- for writes that wait for memory ---- */

/* What one round frees: this part of the limit, but at least so many bytes. */
#define ROUND_PART 16
#define ROUND_BYTES MIB

static bool
is_stopped (struct maintainer *m)
{
  LOCK_FOR_SCOPE (&m->lock);
  return m->stop;
}

static bool
needs_more (void *opaque)
{
  struct maintainer *m = opaque;

  return m->pool->budget.used > m->goal && !is_stopped (m);
}

/* Write back pages that are SECONDS old or older until the goal is reached.
 * Returns how many were written back, or -1 when no more can be.
 */
static int64_t
write_back_until_goal (struct maintainer *m, uint64_t seconds)
{
  const struct job job = { needs_more, m };
  struct selection which = seconds > 0 ? select_idle (seconds)
                                       : select_type (PAGES_ALL);
  struct writeback_result r;

  if (pool_write_back (m->pool, &which, &job, &r) == 0
      || (errno == ENOSPC && pool_clean (m->pool, &job) == 0))
    return (int64_t) r.written;
  return r.written > 0 ? (int64_t) r.written : -1;
}

/* Write pages back, the oldest first, in a few steps of age. */
static void
free_memory (struct maintainer *m)
{
  struct budget *b = &m->pool->budget;
  uint64_t used = b->used, round = MAX (ROUND_BYTES, b->limit / ROUND_PART);
  struct maintainer_settings s;
  int64_t written = 0, r = 0;

  maintainer_get_settings (m, &s);
  m->goal = used - MIN (used, round);
  for (uint64_t age = s.policy.writeback_age; r != -1; age /= 4) {
    r = write_back_until_goal (m, age);
    written += MAX (r, 0);
    if (age == 0 || !needs_more (m))
      break;
  }
  /* Another job, a trim or a higher limit may have made room since. */
  reclaim_done (&m->pool->reclaim,
                written > 0 || budget_has_room (b, ROUND_BYTES / 4));
}

/* Called by a write that waits. */
static void
wake_maintainer (void *opaque)
{
  struct maintainer *m = opaque;

  LOCK_FOR_SCOPE (&m->lock);
  pthread_cond_signal (&m->wake);
}

/* With the policy off, writes don't wait for writeback, which is then the
 * user's task.
 */
static void
offer_reclaim (struct maintainer *m, bool on)
{
  reclaim_set (&m->pool->reclaim, on && m->pool->backing ? wake_maintainer
                                                         : NULL, m);
}

/* ---- jobs ---- */

void
maintainer_view (struct pool *pool, struct policy_view *v)
{
  struct objects_stats os;

  objects_get_stats (&pool->objects, &os);
  *v = (struct policy_view) {
    .mem_used = pool->budget.used,
    .mem_limit = pool->budget.limit,
    .in_zspages = os.committed
      /* A reserve is spare memory that compaction must not count as waste. */
      + (arena_has_reserve (&pool->arena)
         ? 0 : arena_spare_bytes (&pool->arena)),
    .in_objects = os.bytes,
    .can_recompress = pool->scratch.count > 0,
    .can_write_back = pool->backing && backing_may_write (pool->backing),
    .needs_cleaning = pool->backing && backing_may_write (pool->backing)
                      && backing_needs_cleaning (pool->backing),
    .has_stale = pool_has_stale (pool),
    .needs_training = pool_needs_training (pool),
  };
}

static void
perform_action (struct pool *pool, const struct policy_decision *what,
                const struct job *job)
{
  struct recompress_request req = { .which = select_idle (what->age) };
  struct recompress_result result;
  struct writeback_result written;
  uint64_t refreshed;

  switch (what->action) {
  case POLICY_RECOMPRESS:
    pool_recompress (pool, &req, job, &result);
    break;
  case POLICY_GROUP:
    pool_group (pool, &req, job, &result);
    break;
  case POLICY_WRITE_BACK:
    pool_write_back (pool, &req.which, job, &written);
    break;
  case POLICY_CLEAN:
    pool_clean (pool, job);
    break;
  case POLICY_REFRESH:
    pool_refresh (pool, job, &refreshed);
    break;
  case POLICY_TRAIN:
    pool_train (pool, job);
    break;
  case POLICY_COMPACT:
    pool_compact (pool, job);
    break;
  default:
    break;
  }
}

enum policy_action
maintainer_step (struct pool *pool, struct policy *policy,
                 const struct policy_settings *s, const struct job *job,
                 uint64_t now)
{
  struct policy_decision what;
  struct policy_view view;

  maintainer_view (pool, &view);
  what = policy_decide (policy, s, &view, now);
  perform_action (pool, &what, job);
  return what.action;
}

/* Do all that is due in this second.  Returns for how many nanoseconds to
 * sleep.  A replicated pair is resynced with the policy off, too: the user has
 * asked for two replicas.
 */
static uint64_t
do_due_work (struct maintainer *m)
{
  uint64_t now = clock_ns (CLOCK_MONOTONIC) / TICK_NS;
  const struct job job = { may_go_on, m };
  struct maintainer_settings s;
  enum policy_action done;
  bool resyncs;

  pool_sweep (m->pool, now);
  pool_writeback_clock (m->pool, now);
  if (reclaim_is_wanted (&m->pool->reclaim)) {
    free_memory (m);
    return TICK_NS;
  }
  resyncs = pool_resync (m->pool, &job);
  do {
    maintainer_get_settings (m, &s);
    done = maintainer_step (m->pool, &m->policy, &s.policy, &job, now);
    atomic_fetch_add (&m->counters.runs[done], 1);
  } while (done != POLICY_REST && may_go_on (m));
  return resyncs ? YIELD_NS : TICK_NS;
}

/* ---- the thread ---- */

static void *
run_maintainer (void *opaque)
{
  struct maintainer *m = opaque;

  pthread_setname_np (pthread_self (), "zram-maintain");
  m->worked_until = clock_ns (CLOCK_THREAD_CPUTIME_ID);
  while (sleep_for (m, do_due_work (m)))
    ;
  return NULL;
}

void
maintainer_settings_init (struct maintainer_settings *s)
{
  *s = (struct maintainer_settings) {
    .policy = {
      .on = true,
      .group = true,
      .recompress_age = RECOMPRESS_AGE_DEFAULT,
      .writeback_age = WRITEBACK_AGE_DEFAULT,
      .watermark = WATERMARK_DEFAULT,
    },
    .cpu = MAINTENANCE_CPU_DEFAULT,
  };
}

int
maintainer_start (struct maintainer *m, struct pool *pool,
                  const struct maintainer_settings *s)
{
  *m = (struct maintainer) {
    .pool = pool,
    .settings = *s,
    .processors = (unsigned) MAX (1, sysconf (_SC_NPROCESSORS_ONLN)),
  };
  atomic_store (&pool->idle_age, s->policy.recompress_age);
  mutex_init (&m->lock);
  cond_init (&m->wake);
  if (os_start_thread (&m->thread, run_maintainer, m) == -1)
    return -1;
  m->running = true;
  offer_reclaim (m, s->policy.on);
  return 0;
}

void
maintainer_stop (struct maintainer *m)
{
  if (!m->running)
    return;
  offer_reclaim (m, false);
  pthread_mutex_lock (&m->lock);
  m->stop = true;
  pthread_cond_signal (&m->wake);
  pthread_mutex_unlock (&m->lock);
  pthread_join (m->thread, NULL);
  m->running = false;
  pthread_cond_destroy (&m->wake);
  pthread_mutex_destroy (&m->lock);
}

void
maintainer_get_settings (struct maintainer *m, struct maintainer_settings *s)
{
  LOCK_FOR_SCOPE (&m->lock);
  *s = m->settings;
}

void
maintainer_set_settings (struct maintainer *m,
                         const struct maintainer_settings *s)
{
  atomic_store (&m->pool->idle_age, s->policy.recompress_age);
  offer_reclaim (m, s->policy.on);

  LOCK_FOR_SCOPE (&m->lock);
  m->settings = *s;
}
