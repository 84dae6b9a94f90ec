/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/util.h"
#include "lib/store/device.h"

#include "control-path.h"
#include "parse-number.h"
#include "parse-size.h"
#include "server-settings.h"
#include "settings.h"
#include "set-error.h"

#define BACKING_TIMEOUT_DEFAULT 30 /* seconds */

/* The default size of the index of dedup, as a part of the disks: enough
 * for disks of which no two pages are the same.
 */
#define DEDUP_INDEX_PART 200
#define DEDUP_INDEX_MIN MIB

/* The default reserve, as a part of the disks and within bounds: what a
 * burst of requests uses before the reserve is filled up again.
 */
#define RESERVE_PART 256
#define RESERVE_DEFAULT_MIN MIB
#define RESERVE_DEFAULT_MAX (32 * MIB)

void
server_settings_init (struct server_settings *s)
{
  *s = (struct server_settings) {
    .pool = {
      .geometry = { .page_size = 4096, .checksum = true },
      .algorithm = {
        .codec = codecs[0], .level = codecs[0]->default_level,
      },
    },
    .mlock = -1,
  };
  maintainer_settings_init (&s->maintenance);
}

void
server_settings_free (struct server_settings *s)
{
  algorithm_free (&s->pool.algorithm);
  for (unsigned i = 0; i < RECOMPRESS_MAX; ++i)
    algorithm_free (&s->pool.recompress[i]);
  allow_free (&s->allow);
  exports_options_free (&s->exports);
  free (s->pool_path);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    free (s->backing_paths[i]);
    s->backing_paths[i] = NULL;
  }
  free (s->control_path);
  free (s->name);
  s->pool_path = s->control_path = s->name = NULL;
}

/* ---- settings with a function of their own ---- */

/* Set *COPY to an absolute path of PATH, in memory of the caller's: the
 * server changes its directory later.
 */
static int
copy_path (char **copy, const char *key, const char *path, char *error,
           size_t size)
{
  char directory[PATH_MAX];
  char *absolute = NULL;

  if (path[0] == '\0')
    return set_error (error, size, "%s: the path is missing", key);
  if (path[0] == '/')
    absolute = strdup (path);
  else if (!getcwd (directory, sizeof directory)
           || asprintf (&absolute, "%s/%s", directory, path) == -1)
    absolute = NULL;
  if (!absolute)
    return set_error (error, size, "%s=%.200s: %s", key, path,
                      strerror (errno));
  free (*copy);
  *copy = absolute;
  return 0;
}

static int
set_algorithm (struct server_settings *s, const char *value, char *error,
               size_t size)
{
  char why[256];

  algorithm_free (&s->pool.algorithm);
  if (algorithm_parse (value, &s->pool.algorithm, why, sizeof why) == 0)
    return 0;
  return set_error (error, size, "algorithm=%.200s: %s", value, why);
}

static int
add_recompress (struct server_settings *s, const char *value, char *error,
                size_t size)
{
  char why[256];

  if (s->pool.recompress_count == RECOMPRESS_MAX)
    return set_error (error, size, "recompress=%.200s: at most %d further "
                      "algorithms", value, RECOMPRESS_MAX);
  if (algorithm_parse (value, &s->pool.recompress[s->pool.recompress_count],
                       why, sizeof why) == -1)
    return set_error (error, size, "recompress=%.200s: %s", value, why);
  ++s->pool.recompress_count;
  return 0;
}

/* The second use of the parameter makes a mirror. */
static int
add_backing (struct server_settings *s, const char *value, char *error,
             size_t size)
{
  char **path = &s->backing_paths[s->backing_paths[0] != NULL];

  if (*path)
    return set_error (error, size, "backing=%.200s: a mirror has two NBD "
                      "servers, and two are given already", value);
  if (!uri_port_valid (value))
    return set_error (error, size, "backing=%.200s: the port must be from 1 "
                      "to 65535", value);
  if (!backing_is_uri (value))
    return copy_path (path, "backing", value, error, size);
  if ((*path = strdup (value)) == NULL)
    return set_error (error, size, "backing: %s", strerror (errno));
  return 0;
}

static int
set_pool (struct server_settings *s, const char *value, char *error,
          size_t size)
{
  return copy_path (&s->pool_path, "pool", value, error, size);
}

static int
set_name (struct server_settings *s, const char *value, char *error,
          size_t size)
{
  if (!control_name_valid (value))
    return set_error (error, size, "name=%.200s: must be up to %d letters, "
                      "digits, '.', '_' and '-', without '.' or '-' at the "
                      "start", value, CONTROL_NAME_MAX);
  free (s->name);
  s->control.name = s->name = strdup (value);
  return s->name ? 0 : set_error (error, size, "name: %s", strerror (errno));
}

static int
set_control (struct server_settings *s, const char *value, char *error,
             size_t size)
{
  int r = 0;

  s->control.off = strcmp (value, "off") == 0;
  if (s->control.off) {
    free (s->control_path);
    s->control_path = NULL;
  }
  else
    r = copy_path (&s->control_path, "control", value, error, size);
  s->control.path = s->control_path;
  return r;
}

static int
add_allow (struct server_settings *s, const char *value, char *error,
           size_t size)
{
  char why[256];

  if (allow_add (&s->allow, value, why, sizeof why) == 0)
    return 0;
  return set_error (error, size, "allow=%.200s: %s", value, why);
}

static int
add_export (struct server_settings *s, const char *value, char *error,
            size_t size)
{
  return exports_option_add (&s->exports, value, error, size);
}

static int
set_exports (struct server_settings *s, const char *value, char *error,
             size_t size)
{
  return exports_option_file (&s->exports, value, error, size);
}

/* ---- any setting ---- */

static int
set_text (struct server_settings *s, const char *key, const char *value,
          char *error, size_t size)
{
  static const struct {
    const char *name;
    int (*set) (struct server_settings *s, const char *value, char *error,
                size_t size);
  } setters[] = {
    { "algorithm", set_algorithm }, { "allow", add_allow },
    { "backing", add_backing }, { "control", set_control },
    { "export", add_export }, { "exports", set_exports },
    { "name", set_name }, { "pool", set_pool },
    { "recompress", add_recompress },
  };

  for (size_t i = 0; i < ARRAY_SIZE (setters); ++i)
    if (strcmp (setters[i].name, key) == 0)
      return setters[i].set (s, value, error, size);
  return set_error (error, size, "unknown parameter '%s'", key);
}

int
server_settings_set (struct server_settings *s, const char *key,
                     const char *value, char *error, size_t size)
{
  const struct setting *setting = setting_find (key, strlen (key));
  int64_t n = 0;

  if (!setting)
    return set_error (error, size, "unknown parameter '%.200s'", key);
  if (!setting_is_integer (setting))
    return set_text (s, key, value, error, size);
  if (setting_parse (setting, value, machine_ram (), &n, error, size) == -1)
    return -1;
  /* Zero is not "no limit" here: it is below the minimum. */
  if (strcmp (key, "mem-limit") == 0)
    n = MAX (1, n);
  setting_set_field (s, setting, n);
  if (n != 0)
    s->given |= UINT64_C (1) << (setting - settings);
  return 0;
}

/* ---- all of them ---- */

uint64_t
server_settings_total_size (const struct server_settings *s)
{
  uint64_t total = s->size;

  for (size_t i = 0; i < s->exports.count; ++i)
    total += s->exports.wanted[i].size;
  return total + (s->exports.automatic
                  ? s->exports.max * s->exports.size : 0);
}

/* Only backing= is ever needed. */
static int
check_needs (const struct server_settings *s, char *error, size_t size)
{
  for (const struct setting *t = settings; t->name; ++t)
    if ((s->given >> (t - settings) & 1) != 0 && t->needs
        && !s->backing_paths[0])
      return set_error (error, size, "%s= requires %s=", t->name, t->needs);
  return 0;
}

static int
check_backing (struct server_settings *s, char *error, size_t size)
{
  if (check_needs (s, error, size) == -1)
    return -1;
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (s->backing_paths[1] && !backing_is_uri (s->backing_paths[i]))
      return set_error (error, size, "backing=%.200s: both backing= of a "
                        "mirror must be NBD servers", s->backing_paths[i]);
  if (s->writeback.timeout && !backing_is_uri (s->backing_paths[0]))
    return set_error (error, size, "backing-timeout= requires an NBD server, "
                      "and backing=%.200s is a path", s->backing_paths[0]);
  if (s->writeback.timeout == 0)
    s->writeback.timeout = BACKING_TIMEOUT_DEFAULT;
  s->writeback.path = s->backing_paths[0];
  s->writeback.other_path = s->backing_paths[1];
  return 0;
}

static int
check_memory (struct server_settings *s, char *error, size_t size)
{
  uint64_t total = server_settings_total_size (s), min;

  if (s->reserve != 0 && s->mlock == 0)
    return set_error (error, size, "reserve= requires mlock=on");
  if (s->reserve == 0)
    s->reserve = MIN (MAX (total / RESERVE_PART, RESERVE_DEFAULT_MIN),
                      RESERVE_DEFAULT_MAX);
  if (s->pool.dedup_limit == 0)
    s->pool.dedup_limit = MAX (DEDUP_INDEX_MIN, total / DEDUP_INDEX_PART);
  if (s->pool.mem_limit == 0)
    return 0;
  min = pool_mem_limit_min (&s->pool);
  if (s->pool.mem_limit < min)
    return set_error (error, size, "mem-limit: must be at least %" PRIu64
                      "K with these parameters", min / KIB);
  return 0;
}

int
server_settings_check (struct server_settings *s, char *error, size_t size)
{
  if (s->size == 0 && !exports_are_wanted (&s->exports))
    return set_error (error, size, "the size of the disk is missing: for "
                      "example, size=8G");
  if (exports_options_check (&s->exports, error, size) == -1)
    return -1;
  if (s->pool.dedup != DEDUP_OFF && !s->pool.geometry.checksum)
    return set_error (error, size, "dedup= requires checksum=on: it finds "
                      "pages by their checksums");
  if (check_backing (s, error, size) == -1)
    return -1;
  return check_memory (s, error, size);
}
