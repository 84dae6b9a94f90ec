/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loaded before a server of somebody else's, gives it the protection that
 * ours gives itself, so that the two can be compared as swap.
 */

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

static void __attribute__ ((constructor))
harden (void)
{
  struct sched_param param = { .sched_priority = 2 };
  FILE *fp = fopen ("/proc/self/oom_score_adj", "w");

  if (fp) {
    fputs ("-1000", fp);
    fclose (fp);
  }
  if (mlockall (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1
      || prctl (PR_SET_IO_FLUSHER, 1, 0, 0, 0) == -1
      || sched_setscheduler (0, SCHED_FIFO, &param) == -1)
    perror ("harden");
}
