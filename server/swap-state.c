/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kernel-file.h"
#include "output.h"
#include "run-file.h"
#include "swap-state.h"
#include "util.h"

/* ---- the file ---- */

static void
read_settings (struct swap_state *s, json_t *settings)
{
  const char *key;
  json_t *value;

  json_object_foreach (settings, key, value) {
    struct swap_setting *t = &s->settings[s->setting_count];
    const char *old = json_string_value (json_object_get (value, "old"));
    const char *new = json_string_value (json_object_get (value, "new"));

    if (s->setting_count == SWAP_SETTINGS || !old || !new)
      continue;
    snprintf (t->key, sizeof t->key, "%s", key);
    snprintf (t->old, sizeof t->old, "%s", old);
    snprintf (t->new, sizeof t->new, "%s", new);
    s->setting_count++;
  }
}

int
swap_state_read (struct swap_state *s, const char *name)
{
  json_t *object = run_read (name, "swap"), *devices, *priority;

  if (!object)
    return -1;
  *s = (struct swap_state) { .priority = -1 };
  snprintf (s->name, sizeof s->name, "%s", name);
  devices = json_object_get (object, "devices");
  for (size_t i = 0; i < json_array_size (devices)
       && s->device_count < CONF_REMOTES_MAX; ++i) {
    const char *path = json_string_value (json_array_get (devices, i));

    if (path)
      snprintf (s->devices[s->device_count++], sizeof s->devices[0], "%s",
                path);
  }
  priority = json_object_get (object, "priority");
  if (json_is_integer (priority))
    s->priority = (int) json_integer_value (priority);
  read_settings (s, json_object_get (object, "sysctls"));
  json_decref (object);
  return 0;
}

int
swap_state_write (const struct swap_state *s)
{
  json_t *devices = json_array (), *settings = json_object ();

  for (unsigned i = 0; i < s->device_count; ++i)
    json_array_append_new (devices, json_string (s->devices[i]));
  for (unsigned i = 0; i < s->setting_count; ++i)
    json_object_set_new (settings, s->settings[i].key,
                         json_pack ("{s:s, s:s}", "old", s->settings[i].old,
                                    "new", s->settings[i].new));
  return run_write (s->name, "swap",
                    json_pack ("{s:o, s:i, s:o}", "devices", devices,
                               "priority", s->priority, "sysctls",
                               settings));
}

void
swap_state_remove (const char *name)
{
  run_remove (name, "swap");
}

bool
swap_state_has (const struct swap_state *s, const char *device)
{
  for (unsigned i = 0; i < s->device_count; ++i)
    if (strcmp (s->devices[i], device) == 0)
      return true;
  return false;
}

/* ---- settings ---- */

/* vm.page-cluster is /proc/sys/vm/page-cluster. */
static const char *
setting_path (char *path, size_t size, const char *key)
{
  snprintf (path, size, "/proc/sys/%s", key);
  for (char *s = path; *s; ++s)
    if (*s == '.')
      *s = '/';
  return path;
}

const struct swap_setting *
swap_setting_find (const struct swap_state *s, const char *key)
{
  for (unsigned i = 0; i < s->setting_count; ++i)
    if (strcmp (s->settings[i].key, key) == 0)
      return &s->settings[i];
  return NULL;
}

/* What it was before our first change counts, not what we made of it. */
static struct swap_setting *
remember (struct swap_state *s, const char *key, const char *old)
{
  struct swap_setting *t = (struct swap_setting *) swap_setting_find (s, key);

  if (t)
    return t;
  if (s->setting_count == SWAP_SETTINGS) {
    errno = ENOSPC;
    return NULL;
  }
  t = &s->settings[s->setting_count++];
  snprintf (t->key, sizeof t->key, "%s", key);
  snprintf (t->old, sizeof t->old, "%s", old);
  return t;
}

int
swap_setting_change (struct swap_state *s, const char *key, uint64_t value)
{
  char path[64], now[24], wanted[24];
  struct swap_setting *t;

  snprintf (wanted, sizeof wanted, "%" PRIu64, value);
  setting_path (path, sizeof path, key);
  if (kernel_file_read (path, now, sizeof now) == -1)
    return -1;
  if (strcmp (now, wanted) == 0)
    return 0;
  t = remember (s, key, now);
  if (!t)
    return -1;
  snprintf (t->new, sizeof t->new, "%s", wanted);
  if (swap_state_write (s) == -1
      || kernel_file_write (path, wanted) == -1)
    return -1;
  return 1;
}

int
swap_setting_restore (const struct swap_setting *t)
{
  char path[64], now[24];

  setting_path (path, sizeof path, t->key);
  if (kernel_file_read (path, now, sizeof now) == -1)
    return -1;
  if (strcmp (now, t->new) != 0)
    return 0;
  return kernel_file_write (path, t->old) == -1 ? -1 : 1;
}

/* A server must get memory for its packets while there is next to none;
 * with the kernel's default, machines of 256 MB were seen to hang.
 */
#define MIN_FREE_LEAST (8 * MIB)
#define MIN_FREE_MOST (256 * MIB)

uint64_t
swap_min_free (uint64_t ram, uint64_t now)
{
  uint64_t wanted = MIN (MAX (ram / 64, MIN_FREE_LEAST), MIN_FREE_MOST);

  return MAX (wanted / KIB, now);
}
