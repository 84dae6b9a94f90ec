/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "kernel-file.h"
#include "proc-swaps.h"

/* The kernel writes blanks in a path as \040. */
static void
decode_octal_escapes (char *s)
{
  char *to = s;
  unsigned byte;

  for (; *s; ++s)
    if (s[0] == '\\' && sscanf (s + 1, "%3o", &byte) == 1) {
      *to++ = (char) byte;
      s += 3;
    }
    else
      *to++ = *s;
  *to = '\0';
}

int
swaps_read (struct swap_area list[SWAPS_MAX])
{
  CLEANUP_FCLOSE FILE *f = kernel_file_open ("/proc/swaps");
  char line[1024];
  int count = 0;

  if (!f)
    return -1;
  while (count < SWAPS_MAX && fgets (line, sizeof line, f)) {
    struct swap_area *a = &list[count];

    /* Sizes in KiB; the heading has no numbers. */
    if (sscanf (line, "%255s %*s %" SCNu64 " %" SCNu64 " %d", a->path,
                &a->size, &a->used, &a->priority) != 4)
      continue;
    decode_octal_escapes (a->path);
    a->size *= 1024;
    a->used *= 1024;
    count++;
  }
  return count;
}

bool
swap_find (const char *path, struct swap_area *area)
{
  struct swap_area list[SWAPS_MAX];
  int count = swaps_read (list);

  for (int i = 0; i < count; ++i)
    if (strcmp (list[i].path, path) == 0) {
      if (area)
        *area = list[i];
      return true;
    }
  return false;
}

bool
swap_is_on_disk (const char *path, const char *disk)
{
  size_t length = strlen (disk);

  if (strncmp (path, disk, length) != 0)
    return false;
  path += length;
  return path[0] == '\0'
    || (path[0] == 'p' && path[1] != '\0'
        && path[1 + strspn (path + 1, "0123456789")] == '\0');
}

bool
swap_find_on_disk (const char *disk, struct swap_area *area)
{
  struct swap_area list[SWAPS_MAX], sum = { .size = 0 };
  int count = swaps_read (list);

  snprintf (sum.path, sizeof sum.path, "%s", disk);
  for (int i = 0; i < count; ++i)
    if (swap_is_on_disk (list[i].path, disk)) {
      if (sum.size == 0 || list[i].priority > sum.priority)
        sum.priority = list[i].priority;
      sum.size += list[i].size;
      sum.used += list[i].used;
    }
  if (area)
    *area = sum;
  return sum.size > 0;
}
