/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turning off one device, with progress and limits of time. */

#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command/base/output.h"
#include "command/base/proc-swaps.h"

#include "area.h"
#include "interrupt.h"
#include "shutdown.h"
#include "teardown-steps.h"

#define TICK_MS 50
#define PROGRESS_MS 500
#define SHUTDOWN_MS 2000        /* how often to ask whether it has begun */

/* Once the machine goes down, turning swap off may take so long.  To kill the
 * process that does it takes another moment, or for ever when that waits for
 * a server that can't be reached.
 */
#define SHUTDOWN_LIMIT_MS 10000
#define KILL_LIMIT_MS 2000

/* Print how much of the pages, FROM bytes at first, are in memory again.  On
 * a terminal the line is replaced; elsewhere only the LAST one is printed.
 */
static void
print_progress (const char *device, uint64_t from, bool last)
{
  struct swap_area area = { .used = 0 };
  char text[TEXT_SIZE], of[TEXT_SIZE];
  bool terminal = isatty (STDOUT_FILENO);

  swap_find (device, &area);
  if (!terminal && !last)
    return;
  printf ("%s%s: %s of %s are back in memory%s", terminal ? "\r" : "", device,
          text_of_size (text, from > area.used ? from - area.used : 0),
          text_of_size (of, from), last ? "     \n" : "     ");
  output_flush ();
}

/* Be the child that makes the system call, so that a signal can end it while
 * the parent prints progress.  It exits with an errno.
 */
static _Noreturn void
run_worker (const char *device)
{
  interrupt_restore ();
  _exit (swap_off (device) == 0 ? 0 : errno);
}

/* Is it time to give up, MS after the start?  *LIMIT is when; 0 until the
 * machine goes down.
 */
static bool
is_too_late (struct swap_teardown *t, unsigned ms, unsigned *limit)
{
  if (*limit == 0 && ms % SHUTDOWN_MS == 0)
    t->shutdown = t->shutdown || shutdown_has_begun ();
  if (*limit == 0 && t->shutdown)
    *limit = ms + SHUTDOWN_LIMIT_MS;
  return *limit != 0 && ms >= *limit;
}

/* Wait for the worker PID and print progress.  Returns an errno. */
static int
wait_for_worker (struct swap_teardown *t, pid_t pid, const char *device,
                 uint64_t from)
{
  const struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
  bool killed = false;
  unsigned limit = 0;
  int status;

  for (unsigned ms = 0; waitpid (pid, &status, WNOHANG) != pid;
       ms += TICK_MS) {
    bool late = is_too_late (t, ms, &limit);

    if (is_interrupted () || late) {
      kill (pid, SIGKILL);
      killed = true;
    }
    if (late && ms >= limit + KILL_LIMIT_MS)
      return EINTR;
    nanosleep (&tick, NULL);
    if ((ms + TICK_MS) % PROGRESS_MS == 0)
      print_progress (device, from, false);
  }
  if (WIFEXITED (status))
    return WEXITSTATUS (status);
  /* When memory runs out, the kernel first kills the process that turns swap
   * off.
   */
  return killed ? EINTR : ENOMEM;
}

static const char *
text_of_error (int err)
{
  switch (err) {
  case EINTR:
    return "interrupted: swap stays on";
  case ENOMEM:
    return "not enough memory for what is swapped out: swap stays on";
  default:
    return strerror (err);
  }
}

int
teardown_deactivate (struct swap_teardown *t, const char *device)
{
  struct swap_area area;
  pid_t pid;
  int err;

  if (!swap_find (device, &area))
    return 0;
  output_flush ();
  pid = fork ();
  if (pid == -1)
    return teardown_fail (t, "fork", strerror (errno));
  if (pid == 0)
    run_worker (device);
  err = wait_for_worker (t, pid, device, area.used);
  print_progress (device, area.used, true);
  if (err == 0 || !swap_find (device, NULL))
    return 0;
  return teardown_fail (t, device, text_of_error (err));
}
