/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "codecs.h"
#include "util.h"

const struct codec *const codecs[] = {
  &codec_lz4,
  &codec_lz4hc,
#ifdef HAVE_LZO
  &codec_lzo,
#endif
#ifdef HAVE_ZSTD
  &codec_zstd,
#endif
#ifdef HAVE_DEFLATE
  &codec_deflate,
#endif
  NULL,
};

const struct codec *
codec_by_name (const char *name)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    if (strcmp ((*c)->name, name) == 0)
      return *c;
  return NULL;
}

const struct codec *
codec_by_id (unsigned id)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    if ((*c)->id == id)
      return *c;
  return NULL;
}

/* "lz4, lz4hc, zstd" */
static void
list_codecs (char *buf, size_t size)
{
  size_t used = 0;

  buf[0] = '\0';
  for (const struct codec *const *c = codecs; *c && used < size; ++c)
    used += (size_t) snprintf (buf + used, size - used, "%s%s",
                               c == codecs ? "" : ", ", (*c)->name);
}

static int __attribute__ ((format (printf, 3, 4)))
invalid (char *error, size_t size, const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  vsnprintf (error, size, fmt, args);
  va_end (args);
  errno = EINVAL;
  return -1;
}

static int
parse_level (const char *value, struct algorithm *a, char *error, size_t size)
{
  char *end;
  long level;

  errno = 0;
  level = strtol (value, &end, 10);
  if (end == value || *end != '\0' || errno != 0
      || level < INT_MIN || level > INT_MAX
      || !a->codec->level_valid ((int) level))
    return invalid (error, size, "%s: level '%s' is not valid: %s",
                    a->codec->name, value, a->codec->levels);
  a->level = (int) level;
  return 0;
}

int
algorithm_parse (const char *spec, struct algorithm *a,
                 char *error, size_t size)
{
  char copy[128], names[128];
  char *rest = copy, *name, *param;

  if (strlen (spec) >= sizeof copy)
    return invalid (error, size, "the name of the algorithm is too long");
  strcpy (copy, spec);

  name = strsep (&rest, ":");
  a->codec = codec_by_name (name);
  if (!a->codec) {
    list_codecs (names, sizeof names);
    return invalid (error, size, "unknown algorithm '%s': valid are %s",
                    name, names);
  }
  a->level = a->codec->default_level;

  while ((param = strsep (&rest, ":")) != NULL) {
    if (strncmp (param, "level=", 6) != 0)
      return invalid (error, size,
                      "%s: unknown parameter '%s': valid is level=N (%s)",
                      a->codec->name, param, a->codec->levels);
    if (parse_level (param + 6, a, error, size) == -1)
      return -1;
  }
  return 0;
}
