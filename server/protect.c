/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "protect.h"
#include "util.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define HEAP_RESERVE (MIB)
#define STACK_RESERVE (128 * KIB)

/* Larger mappings are data of which next to nothing is used, as the C
 * library's archive of locales.
 */
#define MAPPING_MAX (8 * MIB)

/* ---- memory ---- */

/* malloc keeps what it has, and has some to begin with. */
static void
fill_heap (void)
{
  void *p;

  mallopt (M_MMAP_MAX, 0);
  mallopt (M_TRIM_THRESHOLD, (int) (64 * MIB));
  mallopt (M_TOP_PAD, (int) HEAP_RESERVE);
  p = malloc (HEAP_RESERVE);
  if (p) {
    memset (p, 1, HEAP_RESERVE);
    __asm__ volatile ("" : : "r" (p) : "memory");
  }
  free (p);
}

static void __attribute__ ((noinline))
fill_stack (void)
{
  char room[STACK_RESERVE];

  memset (room, 0, sizeof room);
  __asm__ volatile ("" : : "r" (room) : "memory");
}

/* The lock takes pages as they are touched; touch now what will be
 * executed or written then.
 */
static void
fill_mapping (const char *line)
{
  uint64_t start, end;
  char mode[5];

  if (sscanf (line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, mode) == 3
      && mode[0] == 'r' && end - start <= MAPPING_MAX)
    madvise ((void *) (uintptr_t) start, end - start,
             mode[1] == 'w' ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

static void
fill_mappings (void)
{
  FILE *f = fopen ("/proc/self/maps", "re");
  char line[512];

  while (f && fgets (line, sizeof line, f))
    fill_mapping (line);
  if (f)
    fclose (f);
}

static int
lock_memory (void)
{
  const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

  /* For children, too. */
  setrlimit (RLIMIT_MEMLOCK, &all);
  if (mlockall (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == -1)
    return -1;
  fill_heap ();
  fill_stack ();
  fill_mappings ();
  return 0;
}

/* ---- the rest ---- */

static int
be_spared (void)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC), err = 0;

  if (fd == -1)
    return -1;
  if (write (fd, "-1000", 5) != 5)
    err = errno;
  close (fd);
  errno = err;
  return err ? -1 : 0;
}

static int
come_first (int priority)
{
  const struct sched_param p = { .sched_priority = priority };

  return sched_setscheduler (0, SCHED_FIFO, &p);
}

static void
note (int result, const char *what, char *refused, size_t size)
{
  size_t len = strlen (refused);

  if (result == -1)
    snprintf (refused + len, size - len, "%s%s (%s)", len ? ", " : "", what,
              strerror (errno));
}

void
protect (int priority, char *refused, size_t size)
{
  refused[0] = '\0';
  note (lock_memory (), "locking memory", refused, size);
  note (prctl (PR_SET_IO_FLUSHER, 1, 0, 0, 0), "PR_SET_IO_FLUSHER", refused,
        size);
  note (be_spared (), "oom_score_adj", refused, size);
  note (come_first (priority), "SCHED_FIFO", refused, size);
}
