/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "command/base/kernel-file.h"

#include "md.h"
#include "nbd-receivers.h"

const char *
md_member_text (enum md_member member)
{
  static const char *const texts[] = {
    [MD_NO_MEMBER] = "not in it",
    [MD_MEMBER_IN_SYNC] = "in sync",
    [MD_MEMBER_FAULTY] = "faulty",
    [MD_MEMBER_SPARE] = "being filled",
  };

  return texts[member];
}

const char *
md_device_path (char path[MD_DEVICE_PATH_SIZE], const char *array)
{
  snprintf (path, MD_DEVICE_PATH_SIZE, "/dev/%s", array);
  return path;
}

/* ---- arrays and members ---- */

bool
md_find_array (char array[MD_NAME_SIZE], int index)
{
  char path[64];
  const struct dirent *entry;
  CLEANUP_CLOSEDIR DIR *dir = NULL;

  snprintf (path, sizeof path, "/sys/block/nbd%d/holders", index);
  dir = kernel_file_opendir (path);
  while (dir && (entry = readdir (dir)) != NULL)
    if (strncmp (entry->d_name, "md", 2) == 0
        && strlen (entry->d_name) < MD_NAME_SIZE) {
      strcpy (array, entry->d_name);
      return true;
    }
  return false;
}

unsigned
md_list_members (const char *array, int index[MD_MEMBERS_MAX])
{
  char path[64];
  const struct dirent *entry;
  unsigned count = 0;
  CLEANUP_CLOSEDIR DIR *dir = NULL;

  snprintf (path, sizeof path, "/sys/block/%s/slaves", array);
  dir = kernel_file_opendir (path);
  while (dir && count < MD_MEMBERS_MAX && (entry = readdir (dir)) != NULL)
    if (strncmp (entry->d_name, "nbd", 3) == 0)
      index[count++] = atoi (entry->d_name + 3);
  return count;
}

/* ---- level and state ---- */

void
md_read_level (const char *array, char *level, unsigned size)
{
  char path[80];

  snprintf (path, sizeof path, "/sys/block/%s/md/level", array);
  if (kernel_file_read (path, level, size) == -1)
    level[0] = '\0';
}

bool
md_is_mirror (const char *array)
{
  char level[32];

  md_read_level (array, level, sizeof level);
  return strcmp (level, "raid1") == 0;
}

static const char *
state_path (char path[96], const char *array, int index)
{
  snprintf (path, 96, "/sys/block/%s/md/dev-nbd%d/state", array, index);
  return path;
}

/* Is WORD in a list separated by commas? */
static bool
has_word (const char *list, const char *word)
{
  size_t length = strlen (word);

  for (;; ++list) {
    if (strncmp (list, word, length) == 0
        && (list[length] == ',' || list[length] == '\0'))
      return true;
    list = strchr (list, ',');
    if (!list)
      return false;
  }
}

int
md_member_open (const char *array, int index)
{
  char path[96], real[512];

  return kernel_file_path (real, sizeof real,
                           state_path (path, array, index)) == -1
    ? -1 : open (real, O_RDONLY | O_CLOEXEC);
}

enum md_member
md_member_read (int fd)
{
  char state[256];
  ssize_t n = pread (fd, state, sizeof state - 1, 0);

  if (n <= 0)
    return MD_NO_MEMBER;
  state[n] = '\0';
  state[strcspn (state, "\n")] = '\0';
  return has_word (state, "faulty") ? MD_MEMBER_FAULTY
    : has_word (state, "in_sync") ? MD_MEMBER_IN_SYNC : MD_MEMBER_SPARE;
}

enum md_member
md_member_state (const char *array, int index)
{
  CLEANUP_CLOSE int fd = md_member_open (array, index);

  return md_member_read (fd);
}

unsigned
md_count_members (const char *array, unsigned *in_sync)
{
  int members[MD_MEMBERS_MAX];
  unsigned count = md_list_members (array, members);
  char path[80];
  uint64_t wanted;

  *in_sync = 0;
  for (unsigned i = 0; i < count; ++i)
    *in_sync += md_member_state (array, members[i]) == MD_MEMBER_IN_SYNC;
  snprintf (path, sizeof path, "/sys/block/%s/md/raid_disks", array);
  return kernel_file_number (path, &wanted) == 0 ? (unsigned) wanted : 0;
}

bool
md_has_other_in_sync (const char *array, int index)
{
  int members[MD_MEMBERS_MAX];
  unsigned count = md_list_members (array, members);

  for (unsigned i = 0; i < count; ++i)
    if (members[i] != index
        && md_member_state (array, members[i]) == MD_MEMBER_IN_SYNC
        && nbd_receivers (members[i]) > 0)
      return true;
  return false;
}

/* ---- changes ---- */

int
md_mark_faulty (const char *array, int index)
{
  char path[96];

  return kernel_file_write (state_path (path, array, index), "faulty");
}

int
md_remove_member (const char *array, int index)
{
  char path[96];

  return kernel_file_write (state_path (path, array, index), "remove");
}
