/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Print the turn on the processor that each thread of a process has asked
 * for, in nanoseconds, a line each.  Prints nothing if this kernel has no such
 * wishes.
 *   thread-slices PID
 */

#include <config.h>

#include <dirent.h>
#include <err.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first version of the kernel's struct sched_attr. */
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t slice, deadline, period;
};

#define TRIED 300000

static uint64_t
get_slice (pid_t thread)
{
  struct scheduling s = { 0 };

  if (syscall (SYS_sched_getattr, thread, &s, sizeof s, 0) == -1)
    err (EXIT_FAILURE, "sched_getattr");
  return s.slice;
}

static int
kernel_has_slices (void)
{
  struct scheduling s = { .size = sizeof s, .slice = TRIED };

  return syscall (SYS_sched_setattr, 0, &s, 0) == 0 && get_slice (0) == TRIED;
}

int
main (int argc, char *argv[])
{
  char path[64];
  DIR *dir;

  if (argc != 2)
    errx (EXIT_FAILURE, "usage: thread-slices PID");
  if (!kernel_has_slices ())
    return EXIT_SUCCESS;
  snprintf (path, sizeof path, "/proc/%s/task", argv[1]);
  dir = opendir (path);
  if (!dir)
    err (EXIT_FAILURE, "%s", path);
  for (struct dirent *e; (e = readdir (dir)) != NULL;)
    if (e->d_name[0] != '.')
      printf ("%" PRIu64 "\n", get_slice ((pid_t) atol (e->d_name)));
  closedir (dir);
  return EXIT_SUCCESS;
}
