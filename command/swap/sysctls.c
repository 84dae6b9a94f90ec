/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/run-file.h"
#include "lib/base/util.h"
#include "service/control-path.h"

#include "sysctls.h"

#define FILE_NAME "kernel"
#define FILE_SUFFIX "sysctls"

/* ---- the list ---- */

struct sysctl_changes {
  int lock;                     /* the directory, locked */
  json_t *file;                 /* {"changes": [ENTRY...]} */
  json_t *entries;              /* the list in FILE */
};

static void
changes_close (struct sysctl_changes *l)
{
  int err = errno;

  json_decref (l->file);
  if (l->lock != -1)
    close (l->lock);
  errno = err;
}

static int
changes_write (const struct sysctl_changes *l)
{
  if (json_array_size (l->entries) > 0)
    return run_write (FILE_NAME, FILE_SUFFIX, json_incref (l->file));
  run_remove (FILE_NAME, FILE_SUFFIX);
  return 0;
}

static bool
entry_is (const json_t *entry, const char *name, const char *key)
{
  return (!name || strcmp (json_text (entry, "name"), name) == 0)
    && (!key || strcmp (json_text (entry, "key"), key) == 0);
}

/* The position of the first entry of NAME and KEY at FROM or later; or the end
 * of the list.  NULL matches any.
 */
static size_t
changes_find (const struct sysctl_changes *l, size_t from, const char *name,
              const char *key)
{
  size_t i = from;

  while (i < json_array_size (l->entries)
         && !entry_is (json_array_get (l->entries, i), name, key))
    ++i;
  return i;
}

static int
entry_put (json_t *entry, const char *key, const char *value)
{
  if (json_object_set_new (entry, key, json_string (value)) == 0)
    return 0;
  return fail_with (ENOMEM);
}

static void
entry_get (struct sysctl_change *change, const json_t *entry)
{
  snprintf (change->old, sizeof change->old, "%s", json_text (entry, "old"));
  snprintf (change->new, sizeof change->new, "%s", json_text (entry, "new"));
}

/* ---- entries of version 0.1 ---- */

/* Version 0.1 kept the changes of a swap in NAME.swap.  They are put first in
 * the list, since that swap is older than any that this version started.
 */
static int
import_entries (struct sysctl_changes *l, const char *name, json_t *changes)
{
  const char *key;
  json_t *change;

  json_object_foreach (changes, key, change)
    if (changes_find (l, 0, name, key) == json_array_size (l->entries)
        && json_array_insert_new (l->entries, 0, json_pack (
             "{s:s, s:s, s:s, s:s}", "name", name, "key", key,
             "old", json_text (change, "old"),
             "new", json_text (change, "new"))) == -1)
      return fail_with (ENOMEM);
  return changes_write (l);
}

static int
import_one (struct sysctl_changes *l, const char *name)
{
  json_auto_t *swap = run_read (name, "swap");
  json_t *changes = json_object_get (swap, "sysctls");

  if (!changes)
    return 0;
  if (json_object_size (changes) > 0
      && import_entries (l, name, changes) == -1)
    return -1;
  json_object_del (swap, "sysctls");
  return run_write (name, "swap", json_incref (swap));
}

static int
import_all (struct sysctl_changes *l, const char *directory)
{
  char pattern[RUN_PATH_SIZE + 8];
  glob_t found;
  int r = 0;

  snprintf (pattern, sizeof pattern, "%s/*.swap", directory);
  if (glob (pattern, GLOB_NOSORT, NULL, &found) != 0)
    return 0;
  for (size_t i = 0; r == 0 && i < found.gl_pathc; ++i) {
    char *name = strrchr (found.gl_pathv[i], '/') + 1;

    name[strlen (name) - strlen (".swap")] = '\0';
    r = import_one (l, name);
  }
  globfree (&found);
  return r;
}

/* ---- opening ---- */

/* Lock the directory and read the file.  0, or -1 with errno; then L must not
 * be closed.
 */
static int
changes_open (struct sysctl_changes *l)
{
  char directory[RUN_PATH_SIZE];

  *l = (struct sysctl_changes) { .lock = -1 };
  mkdir (control_directory (directory, sizeof directory), S_IRWXU);
  l->lock = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (l->lock == -1)
    return -1;
  while (flock (l->lock, LOCK_EX) == -1)
    if (errno != EINTR)
      goto error;
  l->file = run_read (FILE_NAME, FILE_SUFFIX);
  if (!l->file && errno != ENOENT)
    goto error;
  if (!l->file)
    l->file = json_pack ("{s:[]}", "changes");
  l->entries = json_object_get (l->file, "changes");
  if (!json_is_array (l->entries))
    errno = EINVAL;
  else if (import_all (l, directory) == 0)
    return 0;

 error:
  changes_close (l);
  return -1;
}

/* ---- the kernel ---- */

/* The path for vm.page-cluster is /proc/sys/vm/page-cluster. */
static const char *
sysctl_path (char *path, size_t size, const char *key)
{
  snprintf (path, size, "/proc/sys/%s", key);
  for (char *s = path + strlen ("/proc/sys/"); *s; ++s)
    if (*s == '.')
      *s = '/';
  return path;
}

static int
sysctl_read (const char *key, char value[SYSCTL_SIZE])
{
  char path[64];

  return kernel_file_read (sysctl_path (path, sizeof path, key), value,
                           SYSCTL_SIZE) == -1 ? -1 : 0;
}

static int
sysctl_write (const char *key, const char *value)
{
  char path[64];

  return kernel_file_write (sysctl_path (path, sizeof path, key), value);
}

/* ---- setting ---- */

static int
append_entry (struct sysctl_changes *l, const char *name, const char *key,
              const char *old, const char *new)
{
  if (json_array_append_new (l->entries, json_pack (
        "{s:s, s:s, s:s, s:s}", "name", name, "key", key, "old", old, "new",
        new)) == 0)
    return changes_write (l);
  return fail_with (ENOMEM);
}

/* Set a new value for the last entry of a setting.  If an administrator has
 * changed the setting, that value is the one to restore.
 */
static int
update_entry (struct sysctl_changes *l, json_t *entry, const char *now,
              const char *wanted)
{
  if (strcmp (now, json_text (entry, "new")) != 0
      && strcmp (now, json_text (entry, "old")) != 0
      && entry_put (entry, "old", now) == -1)
    return -1;
  return entry_put (entry, "new", wanted) == -1 ? -1 : changes_write (l);
}

static void
remove_entry (struct sysctl_changes *l, size_t at)
{
  int err = errno;

  json_array_remove (l->entries, at);
  changes_write (l);
  errno = err;
}

static int
set_locked (struct sysctl_changes *l, const char *name, const char *key,
            const char *wanted, struct sysctl_change *is)
{
  size_t at = changes_find (l, 0, name, key);
  bool known = at < json_array_size (l->entries);
  char now[SYSCTL_SIZE];

  if (sysctl_read (key, now) == -1)
    return -1;
  if (!known && append_entry (l, name, key, now, wanted) == -1)
    return -1;
  entry_get (is, json_array_get (l->entries, at));
  /* Another swap has changed it since.  The value for NAME is restored when
   * that swap is turned off.
   */
  if (known
      && changes_find (l, at + 1, NULL, key) < json_array_size (l->entries))
    return 0;
  if (known
      && update_entry (l, json_array_get (l->entries, at), now, wanted) == -1)
    return -1;
  entry_get (is, json_array_get (l->entries, at));
  if (strcmp (now, wanted) == 0 || sysctl_write (key, wanted) == 0)
    return !known;
  if (!known)
    remove_entry (l, at);
  return -1;
}

int
sysctl_set (const char *name, const char *key, uint64_t value,
            struct sysctl_change *is)
{
  char wanted[SYSCTL_SIZE];
  struct sysctl_changes l;
  int r;

  snprintf (wanted, sizeof wanted, "%" PRIu64, value);
  if (changes_open (&l) == -1)
    return -1;
  r = set_locked (&l, name, key, wanted, is);
  changes_close (&l);
  return r;
}

/* ---- releasing ---- */

static int
restore_value (const char *key, const struct sysctl_change *c)
{
  char now[SYSCTL_SIZE];

  if (sysctl_read (key, now) == -1)
    return -1;
  if (strcmp (now, c->old) == 0)
    return SYSCTL_UNCHANGED;
  if (strcmp (now, c->new) != 0)
    return SYSCTL_FOREIGN;
  return sysctl_write (key, c->old) == -1 ? -1 : SYSCTL_RESTORED;
}

static int
pass_old_value_on (json_t *next, const struct sysctl_change *c)
{
  if (strcmp (json_text (next, "old"), c->new) == 0
      && entry_put (next, "old", c->old) == -1)
    return -1;
  return SYSCTL_IN_USE;
}

static int
release_locked (struct sysctl_changes *l, const char *name, const char *key,
                struct sysctl_change *was)
{
  size_t at = changes_find (l, 0, name, key);
  json_t *entry = json_array_get (l->entries, at), *next;
  int r;

  if (!entry)
    return fail_with (ENOENT);
  entry_get (was, entry);
  next = json_array_get (l->entries, changes_find (l, at + 1, NULL, key));
  r = next ? pass_old_value_on (next, was) : restore_value (key, was);
  if (r == -1)
    return -1;
  json_array_remove (l->entries, at);
  return changes_write (l) == -1 ? -1 : r;
}

int
sysctl_release (const char *name, const char *key, struct sysctl_change *was)
{
  struct sysctl_changes l;
  int r;

  if (changes_open (&l) == -1)
    return -1;
  r = release_locked (&l, name, key, was);
  changes_close (&l);
  return r;
}

int
sysctl_last (const char *name, char *key, size_t size)
{
  json_t *last = NULL;
  struct sysctl_changes l;

  if (changes_open (&l) == -1)
    return -1;
  for (size_t i = 0; i < json_array_size (l.entries); ++i)
    if (entry_is (json_array_get (l.entries, i), name, NULL))
      last = json_array_get (l.entries, i);
  if (last)
    snprintf (key, size, "%s", json_text (last, "key"));
  else
    errno = ENOENT;
  changes_close (&l);
  return last ? 0 : -1;
}

int
sysctls_import (void)
{
  struct sysctl_changes l;

  if (changes_open (&l) == -1)
    return -1;
  changes_close (&l);
  return 0;
}
