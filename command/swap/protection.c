/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "command/base/cgroup.h"
#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "lib/base/util.h"
#include "service/thread-state.h"

#include "protection.h"

/* Twice what a process takes without the pool. */
#define MEMORY_LEAST (64 * MIB)

static unsigned
protection_of_thread (int pid, const char *tid)
{
  char path[96], line[1024];
  struct thread_state t;

  snprintf (path, sizeof path, "/proc/%d/task/%.20s/stat", pid, tid);
  if (kernel_file_read (path, line, sizeof line) == -1
      || !thread_state_parse (line, &t))
    return PROTECTION_ALL;      /* it has ended */
  return (t.flags & PF_MEMALLOC_NOIO ? PROTECTION_FLUSHER : 0)
    | (t.policy == SCHED_FIFO || t.policy == SCHED_RR ? PROTECTION_REAL_TIME
       : 0);
}

/* The bits that all threads of PID have. */
static unsigned
protection_of_threads (int pid)
{
  char path[64];
  unsigned has = PROTECTION_FLUSHER | PROTECTION_REAL_TIME;
  const struct dirent *entry;
  CLEANUP_CLOSEDIR DIR *dir = NULL;

  snprintf (path, sizeof path, "/proc/%d/task", pid);
  dir = kernel_file_opendir (path);
  if (!dir)
    return 0;
  while ((entry = readdir (dir)) != NULL)
    if (entry->d_name[0] != '.')
      has &= protection_of_thread (pid, entry->d_name);
  return has;
}

static unsigned
protection_of (int pid)
{
  char path[64], score[16];
  unsigned has = protection_of_threads (pid);
  uint64_t locked;

  snprintf (path, sizeof path, "/proc/%d/status", pid);
  if (kernel_file_field (path, "VmLck", 10, &locked) == 0 && locked > 0)
    has |= PROTECTION_LOCK;
  snprintf (path, sizeof path, "/proc/%d/oom_score_adj", pid);
  if (kernel_file_read (path, score, sizeof score) > 0
      && strcmp (score, "-1000") == 0)
    has |= PROTECTION_OOM;
  return has;
}

static void
append_text (char *text, size_t size, const char *what)
{
  size_t length = strlen (text);

  snprintf (text + length, size - length, "%s%s", length > 0 ? ", " : "",
            what);
}

bool
protection_has (int pid, unsigned wanted, char *missing, size_t size)
{
  static const struct {
    unsigned bit;
    const char *text;
  } texts[] = {
    { PROTECTION_REAL_TIME, "no real-time priority" },
    { PROTECTION_LOCK, "no locked memory" },
    { PROTECTION_FLUSHER, "no IO_FLUSHER" },
    { PROTECTION_OOM, "no oom_score_adj of -1000" },
  };
  unsigned lacks = wanted & ~protection_of (pid);
  uint64_t limit = cgroup_memory_limit (pid);
  char allowed[TEXT_SIZE], text[128];

  missing[0] = '\0';
  for (size_t i = 0; i < ARRAY_SIZE (texts); ++i)
    if (lacks & texts[i].bit)
      append_text (missing, size, texts[i].text);
  if (limit < MEMORY_LEAST) {
    snprintf (text, sizeof text, "no more than %s of memory in its control "
              "group", text_of_size (allowed, limit));
    append_text (missing, size, text);
  }
  return missing[0] == '\0';
}
