/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes settings in files. */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/cleanup.h"
#include "command/base/run-file.h"
#include "service/control-path.h"
#include "service/set-error.h"

#include "conf.h"
#include "ini-file.h"
#include "internal.h"

static const char *
conf_directory (void)
{
  const char *directory = getenv ("NBDZRAM_CONF_DIR");

  return directory ? directory : CONF_DIRECTORY;
}

void
conf_path (char *path, size_t size, const char *name)
{
  snprintf (path, size, "%s/%s" CONF_SUFFIX, conf_directory (), name);
}

void
conf_for_each_name (void (*each) (void *opaque, const char *name),
                    void *opaque)
{
  const size_t suffix = strlen (CONF_SUFFIX);
  CLEANUP_CLOSEDIR DIR *directory = opendir (conf_directory ());
  struct dirent *entry;

  while (directory && (entry = readdir (directory))) {
    size_t length = strlen (entry->d_name);

    if (entry->d_name[0] == '.' || length <= suffix
        || strcmp (entry->d_name + length - suffix, CONF_SUFFIX) != 0)
      continue;
    entry->d_name[length - suffix] = '\0';
    each (opaque, entry->d_name);
  }
}

void
conf_run_path (char *path, size_t size, const char *name)
{
  char directory[PATH_MAX];

  snprintf (path, size, "%s/%s" CONF_SUFFIX,
            control_directory (directory, sizeof directory), name);
}

/* ---- reading ---- */

static int
on_setting (void *opaque, const struct ini_setting *s, char *error,
            size_t size)
{
  const struct setting *e = conf_entry (s->key);
  struct conf *c = opaque;

  if (e && !e->repeats && (c->seen & conf_entry_bit (e)))
    return conf_error (error, size, "%s: the file says it a second time",
                       s->key);
  return conf_set (c, s->key, s->value, error, size);
}

int
conf_read (struct conf *c, const char *path, char *error, size_t size)
{
  conf_new_layer (c);
  return ini_file_read (path, false, on_setting, c, error, size);
}

int
conf_load (struct conf *c, const char *name, char *error, size_t size)
{
  char path[PATH_MAX];

  conf_path (path, sizeof path, name);
  free (c->file);
  c->file = strdup (path);
  if (!c->file)
    return set_error (error, size, "%s", strerror (ENOMEM));
  c->file_missing = false;
  if (conf_read (c, path, error, size) == -1) {
    if (errno != ENOENT)
      return -1;
    c->file_missing = true;
  }
  conf_run_path (path, sizeof path, name);
  if (conf_read (c, path, error, size) == -1 && errno != ENOENT)
    return -1;
  conf_new_layer (c);
  return 0;
}

/* ---- writing ---- */

static void
write_number (FILE *file, const struct conf *c, const struct setting *e)
{
  int64_t value = setting_get_field (c, e);

  /* The size is not set: the disk is a remote one. */
  if (value == 0 && e->min > 0 && !e->words[0].name)
    return;
  fprintf (file, "%s = ", e->name);
  for (unsigned i = 0; i < SETTING_WORDS && e->words[i].name; ++i)
    if (value == e->words[i].value) {
      fprintf (file, "%s\n", e->words[i].name);
      return;
    }
  fprintf (file, "%" PRId64 "\n", value);
}

void
conf_print (const struct conf *c, FILE *file)
{
  const char *const *text;

  for (const struct setting *e = conf_fields; e->name; ++e) {
    if (e->repeats)
      continue;
    if (e->type == SETTING_BOOLEAN) {
      fprintf (file, "%s = %s\n", e->name,
               setting_get_field (c, e) ? "on" : "off");
      continue;
    }
    if (setting_is_integer (e)) {
      write_number (file, c, e);
      continue;
    }
    text = (const char *const *) (const void *) ((const char *) c + e->offset);
    if (*text)
      fprintf (file, "%s = %s\n", e->name, *text);
  }
  for (size_t i = 0; i < c->parameter_count; ++i) {
    int key = (int) strcspn (c->parameters[i], "=");

    fprintf (file, "%.*s = %s\n", key, c->parameters[i],
             c->parameters[i] + key + 1);
  }
  for (size_t i = 0; i < c->remote_count; ++i)
    fprintf (file, "remote = %s\n", c->remotes[i]);
}

static int
print_conf (const void *conf, FILE *file)
{
  conf_print (conf, file);
  return 0;
}

int
conf_write (const struct conf *c, const char *path, char *error, size_t size)
{
  return file_replace (path, print_conf, c) == 0 ? 0
    : set_error (error, size, "%s: %s", path, strerror (errno));
}
