/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "hardening.h"
#include "thread-state.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57            /* Linux 5.6 */
#define PR_GET_IO_FLUSHER 58
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22           /* Linux 5.14 */
#endif

/* What a request touches of the stack beside pages of the disk: twice what was
 * measured.
 */
#define STACK_USED (16 * 1024)
#define STACK_TOUCHED_MAX (256 * 1024)

/* nbdkit grows a buffer for each thread to the largest request that it has
 * seen.  Up to HEAP_REQUEST_MAX bytes it comes from the heap, which keeps
 * freed memory, so that the threads of the next connection find it there.
 */
#define HEAP_REQUEST_MAX (4 * 1024 * 1024)
#define HEAP_KEPT (16 * 1024 * 1024)
#define HEAP_WARM (1024 * 1024)

/* ---- memory ---- */

static void
limit_stacks (void)
{
  pthread_attr_t attr;

  if (pthread_getattr_default_np (&attr) != 0)
    return;
  pthread_attr_setstacksize (&attr, THREAD_STACK_BYTES);
  pthread_setattr_default_np (&attr);
  pthread_attr_destroy (&attr);
}

void
hardening_prepare (void)
{
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_MMAP_THRESHOLD, HEAP_REQUEST_MAX);
  mallopt (M_TRIM_THRESHOLD, HEAP_KEPT);
  limit_stacks ();
  mutexes_inherit_priority ();
}

bool
hardening_is_asked_for (void)
{
  FILE *fp = fopen ("/proc/self/cmdline", "re");
  char *word = NULL;
  size_t size = 0;
  bool found = false;

  if (!fp)
    return false;
  while (!found && getdelim (&word, &size, '\0', fp) != -1)
    found = strcmp (word, "--swap") == 0;
  free (word);
  fclose (fp);
  return found;
}

int
hardening_lock (void)
{
  if (mlockall (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1)
    return -1;
  if (os_locked_bytes () > 0)
    return 0;
  return fail_with (ENOTSUP);
}

/* Reads the code and constants of one mapping into memory.  LINE is a line of
 * /proc/self/maps.
 */
static void
warm_mapping (const char *line)
{
  uintptr_t start, end;
  uint64_t inode;
  char perms[5];

  /* Not writable mappings: they are copied when they are written. */
  if (sscanf (line, "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*x:%*x %" SCNu64,
              &start, &end, perms, &inode) == 4
      && inode != 0 && perms[0] == 'r' && perms[1] != 'w' && perms[3] == 'p')
    madvise ((void *) start, end - start, MADV_POPULATE_READ);
}

static void
warm_code (void)
{
  FILE *fp = fopen ("/proc/self/maps", "re");
  char line[512];

  if (!fp)
    return;
  while (fgets (line, sizeof line, fp))
    warm_mapping (line);
  fclose (fp);
}

static void *
warm_stack (void *start_barrier)
{
  hardening_thread (OS_PAGE_SIZE);
  while (sem_wait (start_barrier) == -1)
    ;
  return NULL;
}

/* The C library reuses the stacks of threads that have ended, and the lock
 * keeps their memory.
 */
static void
warm_stacks (unsigned wanted)
{
  pthread_t threads[wanted];
  unsigned count = 0;
  sem_t start_barrier;

  /* All threads run at once: otherwise they would use one stack in turn. */
  sem_init (&start_barrier, 0, 0);
  while (count < wanted
         && pthread_create (&threads[count], NULL, warm_stack, &start_barrier)
           == 0)
    count++;
  for (unsigned i = 0; i < count; ++i)
    sem_post (&start_barrier);
  for (unsigned i = 0; i < count; ++i)
    pthread_join (threads[i], NULL);
  sem_destroy (&start_barrier);
}

void
hardening_warm (unsigned threads)
{
  void *heap = malloc (HEAP_WARM);

  if (heap)
    explicit_bzero (heap, HEAP_WARM);
  free (heap);
  warm_code ();
  warm_stacks (threads);
}

static __attribute__ ((noinline)) void
touch_stack (size_t bytes)
{
  char room[bytes];

  for (size_t i = 0; i < bytes; i += OS_PAGE_SIZE)
    *(volatile char *) &room[i] = 0;
}

void
hardening_thread (size_t page_size)
{
  static _Thread_local bool done;

  if (done)
    return;
  done = true;
  touch_stack (MIN (STACK_USED + 2 * page_size, STACK_TOUCHED_MAX));
}

/* ---- the scheduler and the rest ---- */

void
refusals_add (struct refusals *refused, const char *what, const char *why)
{
  size_t length = strlen (refused->text);

  snprintf (refused->text + length, sizeof refused->text - length, "%s%s (%s)",
            length > 0 ? ", " : "", what, why);
}

/* What hardening_protect has changed: text of oom_score_adj, "" if it stayed;
 * the flag was not set.
 */
static struct {
  char oom_score[16];
  bool io_flusher;
} changed;

static int
set_oom_score (const char *text)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  ssize_t n;

  if (fd == -1)
    return -1;
  n = write (fd, text, strlen (text));
  close (fd);
  return n == -1 ? -1 : 0;
}

static int
get_oom_score (void)
{
  FILE *fp = fopen ("/proc/self/oom_score_adj", "re");
  int score = 0;

  if (!fp)
    return 0;
  if (fscanf (fp, "%d", &score) != 1)
    score = 0;
  fclose (fp);
  return score;
}

/* The supervisor may have set it already: it may have the capability that this
 * process lacks.
 */
static int
protect_from_oom_killer (void)
{
  char never[16];
  int score = get_oom_score ();

  if (score == OOM_SCORE_NEVER)
    return 0;
  snprintf (never, sizeof never, "%d", OOM_SCORE_NEVER);
  if (set_oom_score (never) == -1)
    return -1;
  snprintf (changed.oom_score, sizeof changed.oom_score, "%d", score);
  return 0;
}

static int
become_io_flusher (void)
{
  bool was = prctl (PR_GET_IO_FLUSHER, 0, 0, 0, 0) == 1;

  if (prctl (PR_SET_IO_FLUSHER, 1, 0, 0, 0) == -1)
    return -1;
  changed.io_flusher = !was;
  return 0;
}

void
hardening_protect (struct refusals *refused)
{
  char text[128];

  if (protect_from_oom_killer () == -1)
    refusals_add (refused, "oom_score_adj -1000",
                  errno == EACCES || errno == EPERM ? "no CAP_SYS_RESOURCE"
                  : strerror_r (errno, text, sizeof text));
  if (become_io_flusher () == -1)
    refusals_add (refused, "IO_FLUSHER",
                  errno == EPERM ? "no CAP_SYS_RESOURCE"
                  : errno == EINVAL ? "not before Linux 5.6"
                  : strerror_r (errno, text, sizeof text));
}

void
hardening_undo (void)
{
  const struct sched_param param = { .sched_priority = 0 };

  sched_setscheduler (0, SCHED_OTHER, &param);
  if (changed.oom_score[0] != '\0')
    set_oom_score (changed.oom_score);
  if (changed.io_flusher)
    prctl (PR_SET_IO_FLUSHER, 0, 0, 0, 0);
}

static int
make_real_time (pthread_t thread, int priority)
{
  struct sched_param param = { .sched_priority = priority };

  return pthread_setschedparam (thread, SCHED_FIFO, &param);
}

void
hardening_schedule (int priority, const pthread_t *threads, unsigned count,
                    struct refusals *refused)
{
  int err = make_real_time (pthread_self (), priority);
  char text[128];

  for (unsigned i = 0; err == 0 && i < count; ++i)
    err = make_real_time (threads[i], PRIORITY_MAINTENANCE);
  if (err != 0)
    refusals_add (refused, "SCHED_FIFO",
                  err == EPERM ? "no CAP_SYS_NICE, or no real-time share of "
                                 "the control group"
                  : strerror_r (err, text, sizeof text));
}

/* ---- the state ---- */

/* Reads /proc/self/task/TID/stat.  Returns false when the thread has ended. */
static bool
read_thread_state (const char *tid, struct thread_state *t)
{
  char path[64], line[1024] = "";
  FILE *fp;

  snprintf (path, sizeof path, "/proc/self/task/%.20s/stat", tid);
  fp = fopen (path, "re");
  if (!fp)
    return false;
  if (!fgets (line, sizeof line, fp))
    line[0] = '\0';
  fclose (fp);
  return thread_state_parse (line, t);
}

static bool
has_name (const struct thread_state *t, const char *name)
{
  return strcmp (t->name, name) == 0;
}

/* Adds thread T to STATE. */
static void
add_thread (const struct thread_state *t, struct hardening_state *state)
{
  /* These are not needed to serve swap. */
  if (has_name (t, "zram-control") || has_name (t, "zram-worker")
      || has_name (t, "zram-holder"))
    return;
  state->io_flusher &= (t->flags & PF_MEMALLOC_NOIO) != 0;
  if (has_name (t, "zram-maintain") || has_name (t, "zram-reserve"))
    return;
  if (state->priority == 0)
    state->priority = t->priority;
  state->real_time &= t->policy == SCHED_FIFO
    && t->priority == state->priority;
}

int
hardening_get (struct hardening_state *state)
{
  DIR *dir = opendir ("/proc/self/task");
  const struct dirent *entry;
  struct thread_state t;

  if (!dir)
    return -1;
  *state = (struct hardening_state) {
    .locked = os_locked_bytes (),
    .io_flusher = true,
    .real_time = true,
    .oom_score_adj = get_oom_score (),
  };
  while ((entry = readdir (dir)) != NULL)
    if (entry->d_name[0] != '.' && read_thread_state (entry->d_name, &t))
      add_thread (&t, state);
  closedir (dir);
  return 0;
}
