/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command/attach/partitions.h"
#include "command/base/clock.h"
#include "command/base/harden-self.h"
#include "command/base/output.h"
#include "command/supervisor/launch.h"
#include "lib/base/util.h"

#include "area.h"
#include "area-look.h"
#include "area-manager.h"
#include "interrupt.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* Enough for the replies of the server, many times. */
#define HEAP (1024 * 1024)

/* As a server's threads: when memory is short, the next area must come before
 * the present ones are full.
 */
#define PRIORITY PRIORITY_SERVING

/* Milliseconds between two looks: when the areas may soon be used up, and
 * otherwise.
 */
#define BUSY_MS 50
#define IDLE_MS 250

/* Looks until the areas are nearly used up, if it goes on as before. */
#define LOOKS_AHEAD 4
#define CHILD_MS 50

/* To ask for what is stored takes at most this share of a processor, and to
 * read areas back this share of the time.
 */
#define SCAN_SHARE 50
#define RENEWAL_SHARE 10

/* Milliseconds without a change after one that failed, more each time; and
 * without adding an area after that failed.
 */
#define BACK_OFF_MIN 5000
#define BACK_OFF_MAX 300000
#define ADD_BACK_OFF 500

struct manager {
  const char *name;
  int priority;
  int index;                    /* of /dev/nbdN */
  struct areas_use use;
  int64_t scan_at;              /* all in milliseconds */
  int64_t renew_at;
  int64_t retry_at, back_off;   /* of what needs no memory */
  int64_t reread_at, read_back_off; /* of what does, and ... */
  uint64_t available;           /* memory when that last failed, or 0 */
  int64_t add_at;
  uint64_t used;                /* in all, at the last look */
  int64_t looked_at;
  bool was_on[AREAS_MAX], barred[AREAS_MAX];
  bool has_warned;              /* that pages may not fit */
  bool is_lost;                 /* the device */
  char last_message[256];
};

/* One line, unless it is the same as before. */
static void
manager_log (struct manager *m, const char *format, ...)
{
  char text[sizeof m->last_message];
  va_list ap;

  va_start (ap, format);
  vsnprintf (text, sizeof text, format, ap);
  va_end (ap);
  if (strcmp (text, m->last_message) == 0)
    return;
  strcpy (m->last_message, text);
  fprintf (stderr, "nbdzram areas: %s: %s\n", m->name, text);
}

/* ---- looking ---- */

/* Notes whether the device is still that of NAME.  -1: it is not. */
static int
look_at_device (struct manager *m)
{
  uint64_t size;

  m->is_lost = area_find_disk (m->name, &size) != m->index;
  return m->is_lost ? -1 : 0;
}

/* What is stored changes slowly where it matters: what is dead stays so. */
static int
look_at_stored (struct manager *m)
{
  int64_t start = now_ms (), end;

  if (look_at_device (m) == -1
      || area_look_at_stored (m->name, &m->use) == -1)
    return -1;
  end = now_ms ();
  m->scan_at = end + MAX (IDLE_MS, SCAN_SHARE * (end - start));
  return 0;
}

/* What another program has turned off, as a machine does that shuts down, is
 * not turned on again.
 */
static void
bar_areas (struct manager *m)
{
  for (unsigned k = 0; k < AREAS_MAX; ++k) {
    struct area_use *a = &m->use.areas[k];

    m->barred[k] = a->size > 0 && !a->is_on && (m->was_on[k] || m->barred[k]);
    m->was_on[k] = a->is_on;
    a->is_barred = m->barred[k];
  }
}

static uint64_t
sum_used (const struct areas_use *u)
{
  uint64_t used = 0;

  for (unsigned k = 0; k < AREAS_MAX; ++k)
    used += u->areas[k].used;
  return used;
}

/* Partitions are changed by this process, and hardly by others.  As long as
 * the kernel uses the same, the pool holds the same.
 */
static int
look (struct manager *m)
{
  bool all = now_ms () >= m->scan_at;

  if (all)
    area_look_at_partitions (m->index, &m->use);
  if (area_look_at_swaps (m->index, &m->use) == -1)
    return -1;
  bar_areas (m);
  if (!all && sum_used (&m->use) == m->used)
    return 0;
  return area_look_at_pool (m->name, &m->use) == -1
    || (all && look_at_stored (m) == -1) ? -1 : 0;
}

/* ---- turning an area off ---- */

/* The child that makes the system call, as an ordinary process: it needs
 * memory for what it reads back.
 */
static _Noreturn void
run_swap_off (const char *path)
{
  const struct sched_param normal = { .sched_priority = 0 };
  char *server = getenv (SERVER_VARIABLE);

  /* A supervisor that looks for its processes must not take it for one. */
  if (server)
    *server = '\0';
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  prctl (PR_SET_IO_FLUSHER, 0, 0, 0, 0);
  sched_setscheduler (0, SCHED_OTHER, &normal);
  interrupt_restore ();
  _exit (swap_off (path) == 0 ? 0 : errno);
}

/* Must the child give up?  Less memory than expected is left, or the other
 * areas are nearly used up.
 */
static bool
must_give_up (const struct manager *m, unsigned k)
{
  struct areas_use now = m->use;

  return area_look_at_swaps (m->index, &now) == -1
    || now.available < area_plan_reserve (&now) / 2
    || (m->use.areas[k].used > 0 && area_plan_slack (&now, k) == 0
        && area_plan_slack (&m->use, k) > 0);
}

/* Turns area K, at PATH, off.  It stays on if memory or swap becomes short, or
 * this process is to end.  0, or -1 with errno.
 */
static int
turn_off (struct manager *m, const char *path, unsigned k)
{
  const struct timespec tick = { .tv_nsec = CHILD_MS * 1000000 };
  pid_t pid = fork ();
  bool killed = false;
  int status;

  if (pid == 0)
    run_swap_off (path);
  if (pid == -1)
    return -1;
  while (waitpid (pid, &status, WNOHANG) != pid) {
    if (!killed && (is_interrupted () || must_give_up (m, k)))
      killed = kill (pid, SIGKILL) == 0;
    nanosleep (&tick, NULL);
  }
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return 0;
  return fail_with (WIFEXITED (status) ? WEXITSTATUS (status)
                    : killed ? EINTR : ENOMEM);
}

/* ---- what the plan says ---- */

static int
turn_on (const struct manager *m, const char *path, unsigned k)
{
  return swap_on (path, area_priority (m->priority, k));
}

static int
add_area (struct manager *m, const char *path, const struct area_step *step)
{
  const struct partition p = { step->start, step->size };
  char label[96];

  snprintf (label, sizeof label, "%s.%u", m->name, step->area + 1);
  if (partition_add (m->index, step->area + 1, &p) == -1)
    return -1;
  if (swap_make_area (path, label) == 0
      && turn_on (m, path, step->area) == 0)
    return 0;
  partition_remove (m->index, step->area + 1);
  return -1;
}

/* Another process may have turned it off by now. */
static int
empty_area (struct manager *m, const char *path, unsigned k)
{
  if (m->use.areas[k].is_on && turn_off (m, path, k) == -1)
    return -1;
  m->was_on[k] = false;
  return 0;
}

/* Linux trims an area when it is turned on, unless the device was told not to
 * discard.
 */
static int
renew_area (struct manager *m, const char *path, unsigned k)
{
  uint64_t before = m->use.areas[k].stored;

  if (empty_area (m, path, k) == -1 || turn_on (m, path, k) == -1
      || area_look_at_stored (m->name, &m->use) == -1)
    return -1;
  return m->use.areas[k].stored < before ? 0 : fail_with (EOPNOTSUPP);
}

/* 0, or -1 with errno. */
static int
do_step (struct manager *m, const struct area_step *step)
{
  unsigned k = step->area;
  char path[PARTITION_PATH_SIZE];

  partition_path (path, m->index, k + 1);
  switch (step->action) {
  case AREA_ADD:
    return add_area (m, path, step);
  case AREA_RENEW:
    return renew_area (m, path, k);
  case AREA_REMOVE:
    return empty_area (m, path, k) == -1
      || partition_discard (m->index, k + 1, 0) == -1
      || partition_remove (m->index, k + 1) == -1 ? -1 : 0;
  default:
    return partition_discard (m->index, k + 1,
                              (uint64_t) sysconf (_SC_PAGESIZE));
  }
}

/* How much STEP is about. */
static uint64_t
bytes_of_step (const struct manager *m, const struct area_step *step)
{
  const struct area_use *a = &m->use.areas[step->area];

  return step->action == AREA_ADD ? step->size
    : step->action == AREA_RENEW ? area_dead (a) : a->size;
}

static void
log_step (struct manager *m, const struct area_step *step, uint64_t bytes,
          int err)
{
  static const char *const done[AREA_ACTIONS] = {
    [AREA_ADD] = "is added", [AREA_REMOVE] = "is removed",
    [AREA_RENEW] = "is rid of dead pages", [AREA_TRIM] = "is trimmed",
  };
  char path[PARTITION_PATH_SIZE], size[TEXT_SIZE];

  partition_path (path, m->index, step->area + 1);
  text_of_size (size, bytes);
  if (err == 0)
    manager_log (m, "%s %s: %s", path, done[step->action], size);
  else
    manager_log (m, "%s: %s: it can't be %s now", path,
                 err == EINTR ? "memory or swap became short" : strerror (err),
                 step->action == AREA_ADD ? "added" : "turned off");
}

static bool
reads_back (const struct manager *m, const struct area_step *step)
{
  return step->action == AREA_RENEW && m->use.areas[step->area].used > 0;
}

/* May an area be read back now?  If that has failed, and programs have ended
 * since, at once.
 */
static bool
may_read_back (const struct manager *m)
{
  return now_ms () >= MAX (m->reread_at, m->renew_at)
    || (m->available > 0
        && m->use.available >= m->available + area_plan_reserve (&m->use));
}

/* When may this step be tried? */
static int64_t
time_for (const struct manager *m, const struct area_step *step)
{
  return step->action == AREA_ADD ? m->add_at
    : reads_back (m, step) ? 0 : m->retry_at;
}

/* The time of the next try; BACK_OFF is that of the last one. */
static int64_t
retry_time (int64_t end, int64_t *back_off, int r)
{
  *back_off = r == 0 ? 0
    : MIN (MAX (2 * *back_off, BACK_OFF_MIN), BACK_OFF_MAX);
  return end + *back_off;
}

/* STEP has begun at START, when READ told whether it would read something
 * back, and R was its result.
 */
static void
set_times (struct manager *m, const struct area_step *step, bool read,
           int64_t start, int r)
{
  int64_t end = now_ms ();

  m->scan_at = 0;
  if (step->action == AREA_ADD)
    m->add_at = r == 0 ? 0 : end + ADD_BACK_OFF;
  else if (!read)
    m->retry_at = retry_time (end, &m->back_off, r);
  else {
    m->renew_at = end + RENEWAL_SHARE * (end - start);
    m->reread_at = retry_time (end, &m->read_back_off, r);
    m->available = r == 0 ? 0 : MAX (m->use.available, 1);
  }
}

/* Says once what the user can do about a promise that can't be kept. */
static void
log_promise (struct manager *m)
{
  bool too_much = area_plan_promises_too_much (&m->use);

  if (too_much && !m->has_warned)
    manager_log (m, "free swap may not fit in the pool, because pages "
                 "compress worse than before; writes may fail.  Raise "
                 "mem-limit by \"nbdzram set\", or end programs");
  m->has_warned = too_much;
}

/* Returns whether something was changed. */
static bool
follow_plan (struct manager *m)
{
  int64_t start = now_ms ();
  struct area_step step;
  uint64_t bytes;
  bool read;
  int r, err;

  m->use.must_not_read = !may_read_back (m);
  step = area_plan_next (&m->use);
  read = reads_back (m, &step);
  if (step.action == AREA_KEEP)
    log_promise (m);
  if (step.action == AREA_KEEP || start < time_for (m, &step))
    return false;
  bytes = bytes_of_step (m, &step);
  r = do_step (m, &step);
  err = r == 0 ? 0 : errno;
  set_times (m, &step, read, start, r);
  if (!is_interrupted ())
    log_step (m, &step, bytes, err);
  return r == 0;
}

/* ---- the process ---- */

/* Milliseconds until the next look, if MORE bytes were swapped out in the last
 * TIME of them.
 */
static int
time_until_look (const struct manager *m, uint64_t more, int64_t time)
{
  uint64_t slack = area_plan_slack (&m->use, AREAS_MAX);

  if (more == 0 || slack / more > INT32_MAX)
    return IDLE_MS;
  time = (int64_t) (slack / more) * time / LOOKS_AHEAD;
  return (int) MIN (MAX (time, BUSY_MS), IDLE_MS);
}

/* Returns the milliseconds until the next one. */
static int
take_step (struct manager *m)
{
  uint64_t before = m->used;
  int64_t time = now_ms () - m->looked_at;

  if (look (m) == -1)
    return IDLE_MS;
  m->looked_at += time;
  m->used = sum_used (&m->use);
  return follow_plan (m) ? BUSY_MS
    : time_until_look (m, m->used > before ? m->used - before : 0, time);
}

int
area_manager_run (const char *name, int priority, unsigned most)
{
  struct manager m = {
    .name = name, .priority = priority, .use = { .most = most },
  };
  struct refusals missing;

  interrupt_catch ();
  m.index = area_find_disk (name, &m.use.disk);
  if (m.index == -1 || partitions_have_table (m.index)) {
    manager_log (&m, "%s", m.index == -1 ? "no device is attached"
                 : "its disk has partitions of its own");
    return -1;
  }
  look (&m);                    /* once, before the lock */
  if (!harden_self (HEAP, PRIORITY, &missing))
    manager_log (&m, "continues without %s", missing.text);
  while (!is_interrupted () && !m.is_lost)
    poll (NULL, 0, take_step (&m));
  if (!m.is_lost)
    return 0;
  manager_log (&m, "/dev/nbd%d is not attached any more", m.index);
  return -1;
}
