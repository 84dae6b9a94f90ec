/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/util.h"

#include "cleanup.h"
#include "kernel-file.h"
#include "process.h"

/* Missing in some C libraries, and the same on all architectures. */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define START_FIELD 22

/* Reads /proc/PID/stat into TEXT.  Returns the fields after the name, which
 * may contain anything: " S 1 ...", from the third field on; or NULL.
 */
static const char *
read_stat (pid_t pid, char *text, size_t size)
{
  char path[32], *end;
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1)
    return NULL;
  n = read (fd, text, size - 1);
  text[n > 0 ? n : 0] = '\0';
  end = strrchr (text, ')');
  return end ? end + 1 : NULL;
}

uint64_t
process_start_time (pid_t pid)
{
  char text[1024];
  const char *p = read_stat (pid, text, sizeof text);

  for (int field = 3; p && field < START_FIELD; ++field)
    p = strchr (p + 1, ' ');
  return p ? strtoull (p, NULL, 10) : 0;
}

bool
process_is_stopped (const struct process *p)
{
  char text[1024];
  const char *state = read_stat (p->pid, text, sizeof text);

  return state && state[0] == ' ' && strchr ("Tt", state[1]) != NULL;
}

static int
read_mask (pid_t pid, const char *key, uint64_t *mask)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/status", (int) pid);
  return kernel_file_field (path, key, 16, mask);
}

bool
process_is_killed (pid_t pid)
{
  uint64_t pending;

  return pid > 0 && read_mask (pid, "SigPnd", &pending) == 0
    && (pending & UINT64_C (1) << (SIGKILL - 1)) != 0;
}

int
process_has_capability (pid_t pid, unsigned n)
{
  uint64_t capabilities;

  return read_mask (pid, "CapEff", &capabilities) == -1
    ? -1 : (capabilities >> n & 1) != 0;
}

int
process_open (struct process *p, pid_t pid, uint64_t start)
{
  uint64_t found;
  int fd;

  *p = NO_PROCESS;
  if (pid <= 0)
    return fail_with (ESRCH);
  fd = fd_keep ((int) syscall (SYS_pidfd_open, pid, 0));
  if (fd == -1)
    return -1;
  /* With the pidfd open, a reused number is noticed from here on. */
  found = process_start_time (pid);
  if (found == 0
      || (start != 0 && (found != start || fd_has_event (fd, POLLIN)))) {
    close (fd);
    return fail_with (ESRCH);
  }
  *p = (struct process) {
    .pid = pid, .start = found, .fd = fd, .start_barrier = -1,
  };
  return 0;
}

/* The child may have ended meanwhile; SIGPIPE is ignored. */
void
process_release (struct process *p)
{
  if (p->start_barrier == -1)
    return;
  while (write (p->start_barrier, "", 1) == -1 && errno == EINTR)
    ;
  fd_close (&p->start_barrier);
}

void
process_close (struct process *p)
{
  fd_close (&p->fd);
  fd_close (&p->start_barrier);
  *p = NO_PROCESS;
}

bool
process_ended (const struct process *p, int *status)
{
  if (p->fd == -1 || !fd_has_event (p->fd, POLLIN))
    return false;
  if (waitpid (p->pid, status, WNOHANG) != p->pid)
    *status = -1;
  return true;
}

void
process_signal (const struct process *p, int signal)
{
  if (p->fd != -1)
    syscall (SYS_pidfd_send_signal, p->fd, signal, NULL, 0);
}

bool
process_kill (const struct process *p, int ms)
{
  struct pollfd end = { .fd = p->fd, .events = POLLIN };

  process_signal (p, SIGKILL);
  return p->fd != -1 && poll (&end, 1, ms) == 1;
}

int
process_take_fd (const struct process *p, int number)
{
  return fd_keep ((int) syscall (SYS_pidfd_getfd, p->fd, number, 0));
}

int
fd_keep (int fd)
{
  int kept, err;

  if (fd == -1)
    return -1;
  kept = fcntl (fd, F_DUPFD_CLOEXEC, KEPT_FD_MIN);
  err = errno;
  close (fd);
  /* The kernel returns EINVAL if the limit is KEPT_FD_MIN or below. */
  errno = kept == -1 && err == EINVAL ? EMFILE : err;
  return kept;
}

void
fd_close (int *fd)
{
  int err = errno;

  if (*fd != -1)
    close (*fd);
  *fd = -1;
  errno = err;
}

bool
fd_has_event (int fd, short events)
{
  struct pollfd p = { .fd = fd, .events = events };

  return poll (&p, 1, 0) > 0;
}

void
status_text (char *text, size_t size, int status)
{
  if (status == -1)
    snprintf (text, size, "ended");
  else if (WIFSIGNALED (status))
    snprintf (text, size, "killed by signal %d", WTERMSIG (status));
  else
    snprintf (text, size, "ended with status %d", WEXITSTATUS (status));
}
