/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/util.h"

#include "cgroup.h"
#include "cleanup.h"
#include "kernel-file.h"

/* Control groups version 1 show "no limit" as this number or more; version 2
 * shows "max".
 */
#define NO_LIMIT (INT64_MAX / 4096 * 4096)

static bool
read_limit (const char *file, uint64_t *limit)
{
  char text[32];

  if (kernel_file_number (file, limit) == 0)
    return true;
  *limit = NO_LIMIT;
  return kernel_file_read (file, text, sizeof text) != -1
    && strcmp (text, "max") == 0;
}

/* The lowest limit in file NAME of GROUP and the groups above it, below ROOT.
 * UINT64_MAX: no limit.
 */
static uint64_t
lowest_limit (const char *root, const char *group, const char *name)
{
  char path[PATH_MAX], file[PATH_MAX];
  uint64_t least = UINT64_MAX, limit;

  snprintf (path, sizeof path, "%s", group);
  for (;;) {
    char *slash = strrchr (path, '/');

    if (snprintf (file, sizeof file, "%s%s/%s", root, path, name)
        < (int) sizeof file
        && read_limit (file, &limit))
      least = MIN (least, limit);
    if (!slash)
      return least;
    *slash = '\0';
  }
}

static uint64_t
lowest_memory_limit (bool second, const char *group)
{
  if (second)
    return MIN (lowest_limit ("/sys/fs/cgroup", group, "memory.max"),
                lowest_limit ("/sys/fs/cgroup", group, "memory.high"));
  return lowest_limit ("/sys/fs/cgroup/memory", group,
                       "memory.limit_in_bytes");
}

static uint64_t
lowest_swap_limit (bool second, const char *group)
{
  return second ? lowest_limit ("/sys/fs/cgroup", group, "memory.swap.max")
    : UINT64_MAX;
}

/* Both versions of control groups may be mounted; the line of version 2
 * begins with "0::".
 */
static uint64_t
process_limit (int pid, uint64_t (*limit) (bool second, const char *group))
{
  char path[64], line[PATH_MAX];
  uint64_t least = UINT64_MAX;
  CLEANUP_FCLOSE FILE *fp = NULL;

  snprintf (path, sizeof path, "/proc/%d/cgroup", pid);
  fp = kernel_file_open (path);
  while (fp && fgets (line, sizeof line, fp)) {
    char *controllers = strchr (line, ':'), *group;
    bool second;

    line[strcspn (line, "\n")] = '\0';
    group = controllers ? strchr (controllers + 1, ':') : NULL;
    if (!group)
      continue;
    *group++ = '\0';
    second = controllers[1] == '\0';
    if (second || strstr (controllers, "memory"))
      least = MIN (least, limit (second, group));
  }
  return least;
}

uint64_t
cgroup_memory_limit (int pid)
{
  uint64_t limit = process_limit (pid, lowest_memory_limit);

  return limit >= NO_LIMIT ? UINT64_MAX : limit;
}

int
cgroup_may_swap (int pid)
{
  uint64_t limit = process_limit (pid, lowest_swap_limit);

  return limit == UINT64_MAX ? -1 : limit > 0;
}
