/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"

#include "nbd-receivers.h"

/* The name of the thread of ENTRY in /proc. */
static bool
read_thread_name (const struct dirent *entry, char *name, size_t size)
{
  char path[300];

  if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
    return false;
  snprintf (path, sizeof path, "/proc/%s/comm", entry->d_name);
  return kernel_file_read (path, name, size) > 0;
}

static bool
ends_with (const char *s, const char *end)
{
  size_t length = strlen (s), tail = strlen (end);

  return length >= tail && strcmp (s + length - tail, end) == 0;
}

int
nbd_receivers (int index)
{
  CLEANUP_CLOSEDIR DIR *dir = kernel_file_opendir ("/proc");
  char queue[32], name[128];
  const struct dirent *entry;
  bool has_queue = false;
  int count = 0;

  if (!dir)
    return -1;
  /* The rescuer thread of the queue has the name without the plus sign, so a
   * kernel with such queues is recognised even if no worker runs.
   */
  snprintf (queue, sizeof queue, "+nbd%d-recv", index);
  while ((entry = readdir (dir)) != NULL) {
    if (!read_thread_name (entry, name, sizeof name))
      continue;
    if (ends_with (name, queue))
      ++count;
    has_queue = has_queue || strstr (name, queue + 1) != NULL;
  }
  return has_queue ? count : -1;
}
