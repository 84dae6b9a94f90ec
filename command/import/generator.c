/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads one file. */

#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "command/conf/ini-file.h"
#include "lib/base/util.h"
#include "service/parse-number.h"
#include "service/set-error.h"

#include "algorithms.h"
#include "expression.h"
#include "generator.h"

#define PRIORITY_MAX 32767

struct reading {
  struct generator *generator;
  const char *path;
};

void
generator_free (struct generator *g)
{
  for (size_t i = 0; i < g->device_count; ++i)
    for (unsigned k = 0; k < GENERATOR_KEYS; ++k)
      free (g->devices[i].values[k]);
  for (size_t i = 0; i < g->remark_count; ++i)
    free (g->remarks[i]);
  free (g->devices);
  free (g->remarks);
  *g = (struct generator) { .ram = 0 };
}

static int
out_of_memory (char *error, size_t size)
{
  return set_error (error, size, "%s", strerror (ENOMEM));
}

static int __attribute__ ((format (printf, 4, 5)))
add_remark (struct generator *g, char *error, size_t size, const char *format,
            ...)
{
  char **more = reallocarray (g->remarks, g->remark_count + 1, sizeof *more);
  va_list ap;
  int length;

  if (!more)
    return out_of_memory (error, size);
  g->remarks = more;
  va_start (ap, format);
  length = vasprintf (&more[g->remark_count], format, ap);
  va_end (ap);
  if (length == -1)
    return out_of_memory (error, size);
  g->remark_count++;
  return 0;
}

/* ---- checks of values ---- */

static int
check_expression (const char *text, char *error, size_t size)
{
  struct expression e;

  return expression_parse (text, 0, &e, error, size);
}

static int
check_megabytes (const char *text, char *error, size_t size)
{
  uint64_t n;

  return strcmp (text, "none") == 0 || parse_number (text, &n) ? 0
    : set_error (error, size, "is no whole number of megabytes, or none");
}

static int
check_fraction (const char *text, char *error, size_t size)
{
  struct expression e;

  if (strspn (text, "0123456789.") == strlen (text)
      && expression_parse (text, 0, &e, error, size) == 0)
    return 0;
  return set_error (error, size, "is no number like 0.5");
}

static int
check_priority (const char *text, char *error, size_t size)
{
  uint64_t n;

  if (strcmp (text, "-1") == 0
      || (parse_number (text, &n) && n <= PRIORITY_MAX))
    return 0;
  return set_error (error, size, "is no whole number from -1 to %d",
                    PRIORITY_MAX);
}

static int
check_path (const char *text, char *error, size_t size)
{
  if (text[0] != '/')
    return set_error (error, size, "is no path that begins with a slash");
  for (const char *s = text; (s = strstr (s, "/..")) != NULL; ++s)
    if (s[3] == '/' || s[3] == '\0')
      return set_error (error, size, "has '..' in the path");
  return 0;
}

static int
check_algorithms (const char *text, char *error, size_t size)
{
  struct algorithm_word word;
  int result;

  do
    result = algorithm_next_word (&text, &word, error, size);
  while (result == 1);
  return result;
}

/* ---- settings ---- */

static const struct {
  const char *name;
  enum generator_key key;
  /* The form of a value, and not what it is on this machine; or NULL. */
  int (*check) (const char *text, char *error, size_t size);
} keys[] = {
  { "host-memory-limit", HOST_MEMORY_LIMIT, check_megabytes },
  { "memory-limit", HOST_MEMORY_LIMIT, check_megabytes },
  { "zram-size", ZRAM_SIZE, check_expression },
  { "zram-resident-limit", ZRAM_RESIDENT_LIMIT, check_expression },
  { "compression-algorithm", COMPRESSION_ALGORITHM, check_algorithms },
  { "writeback-device", WRITEBACK_DEVICE, check_path },
  { "swap-priority", SWAP_PRIORITY, check_priority },
  { "mount-point", MOUNT_POINT, check_path },
  { "fs-type", FS_TYPE, NULL },
  { "options", OPTIONS, NULL },
  { "zram-fraction", ZRAM_FRACTION, check_fraction },
  { "max-zram-size", MAX_ZRAM_SIZE, check_megabytes },
};

static bool
is_device (const char *section)
{
  size_t length = strlen (section);

  return strncmp (section, "zram", 4) == 0 && length > 4
    && length < GENERATOR_NAME_SIZE
    && strspn (section + 4, "0123456789") == length - 4;
}

/* The device of this name, which is added if it is new; NULL: no memory. */
static struct generator_device *
find_or_add_device (struct generator *g, const char *name)
{
  struct generator_device *more;

  for (size_t i = 0; i < g->device_count; ++i)
    if (strcmp (g->devices[i].name, name) == 0)
      return &g->devices[i];
  more = reallocarray (g->devices, g->device_count + 1, sizeof *more);
  if (!more)
    return NULL;
  g->devices = more;
  more += g->device_count++;
  *more = (struct generator_device) { .name = "" };
  strcpy (more->name, name);
  return more;
}

/* Copies VALUE without the quotes around it. */
static char *
copy_value (const char *value)
{
  size_t length = strlen (value);

  if (length >= 2 && (value[0] == '"' || value[0] == '\'')
      && value[length - 1] == value[0])
    return strndup (value + 1, length - 2);
  return strdup (value);
}

static int
set_value (struct reading *r, struct generator_device *d,
           const struct ini_setting *s, char *error, size_t size)
{
  struct generator *g = r->generator;
  char *value = copy_value (s->value), why[CONF_ERROR_SIZE];

  if (!value)
    return out_of_memory (error, size);
  for (size_t i = 0; i < ARRAY_SIZE (keys); ++i) {
    if (strcmp (keys[i].name, s->key) != 0)
      continue;
    if (keys[i].check && keys[i].check (value, why, sizeof why) == -1) {
      set_error (error, size, "%s: '%.160s' %.200s", s->key, value, why);
      free (value);
      return -1;
    }
    free (d->values[keys[i].key]);
    d->values[keys[i].key] = value;
    return 0;
  }
  free (value);
  return add_remark (g, error, size, "%s:%u: %s is no setting of "
                     "zram-generator, which ignores it, too.", r->path,
                     s->line, s->key);
}

static int
on_setting (void *opaque, const struct ini_setting *s, char *error,
            size_t size)
{
  struct reading *r = opaque;
  struct generator_device *d;

  if (is_device (s->section)) {
    d = find_or_add_device (r->generator, s->section);
    if (!d)
      return out_of_memory (error, size);
    return s->key ? set_value (r, d, s, error, size) : 0;
  }
  if (!s->key)
    return 0;
  if (s->section[0])
    return add_remark (r->generator, error, size, "%s:%u: ignored, since the "
                       "section is [%s]; zram-generator ignores it, too.",
                       r->path, s->line, s->section);
  if (strncmp (s->key, "set!", 4) == 0)
    return add_remark (r->generator, error, size, "%s:%u: the program that "
                       "sets %s is not run.", r->path, s->line, s->key + 4);
  return add_remark (r->generator, error, size, "%s:%u: %s stands before any "
                     "section; zram-generator ignores it, too.", r->path,
                     s->line, s->key);
}

int
generator_read_file (struct generator *g, const char *path, char *error,
                     size_t size)
{
  struct reading r = { .generator = g, .path = path };

  return ini_file_read (path, true, on_setting, &r, error, size);
}
