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

/* Reads a line of /proc/PID/cgroup, NUMBER:CONTROLLERS:GROUP, and cuts LINE
 * behind CONTROLLERS.  Returns the group, or NULL.
 */
static const char *
read_group (char *line, const char **controllers)
{
  char *first = strchr (line, ':'), *second;

  line[strcspn (line, "\n")] = '\0';
  second = first ? strchr (first + 1, ':') : NULL;
  if (!second)
    return NULL;
  *second = '\0';
  *controllers = first + 1;
  return second + 1;
}

static FILE *
open_groups (int pid)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/cgroup", pid);
  return kernel_file_open (path);
}

/* Both versions of control groups may be mounted; the line of version 2
 * begins with "0::".
 */
static uint64_t
process_limit (int pid, uint64_t (*limit) (bool second, const char *group))
{
  CLEANUP_FCLOSE FILE *fp = open_groups (pid);
  uint64_t least = UINT64_MAX;
  char line[PATH_MAX];

  while (fp && fgets (line, sizeof line, fp)) {
    const char *controllers, *group = read_group (line, &controllers);
    bool second = group && controllers[0] == '\0';

    if (group && (second || strstr (controllers, "memory")))
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

/* Copies the last part of GROUP that is the name of a service. */
static bool
find_service (const char *group, char *unit, size_t size)
{
  static const char suffix[] = ".service";
  bool found = false;

  while (*group) {
    const char *name = group + strspn (group, "/");
    size_t length = strcspn (name, "/");

    group = name + length;
    if (length < sizeof suffix || length >= size
        || strncmp (group - strlen (suffix), suffix, strlen (suffix)) != 0)
      continue;
    memcpy (unit, name, length);
    unit[length] = '\0';
    found = true;
  }
  return found;
}

bool
cgroup_service (int pid, char *unit, size_t size)
{
  CLEANUP_FCLOSE FILE *fp = open_groups (pid);
  char line[PATH_MAX];

  while (fp && fgets (line, sizeof line, fp)) {
    const char *controllers, *group = read_group (line, &controllers);

    /* systemd's own: version 2, or one that has no controller. */
    if (group && (controllers[0] == '\0'
                  || strcmp (controllers, "name=systemd") == 0)
        && find_service (group, unit, size))
      return true;
  }
  return false;
}
