/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parameters export= and exports=. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "service/export-settings.h"

#include "exports.h"

/* Automatic ones, where nothing is said. */
#define AUTOMATIC_MAX 64

#define ERROR_SIZE 512

static int
append (struct exports_options *o, const struct wanted_export *w)
{
  struct wanted_export *more = realloc (o->wanted,
                                        (o->count + 1) * sizeof *more);

  if (!more)
    return -1;
  o->wanted = more;
  more[o->count++] = *w;
  return 0;
}

static bool
is_there (const struct exports_options *o, const char *name)
{
  for (size_t i = 0; i < o->count; ++i)
    if (strcmp (o->wanted[i].name, name) == 0)
      return true;
  return false;
}

/* A sentence in ERROR, or -1 with "" there: no memory. */
static int
add (struct exports_options *o, const char *value, char *error, size_t size)
{
  const char *end = export_name_end (value);
  struct wanted_export w = { .name = strndup (value, (size_t) (end - value)),
                             .settings = strdup (*end == ':' ? end + 1 : "") };
  struct export_settings s;

  error[0] = '\0';
  if (!w.name || !w.settings)
    goto fail;
  if (!export_name_valid (w.name, error, size)
      || export_settings_parse (&s, w.settings, error, size) == -1)
    goto fail;
  w.size = s.size;
  export_settings_free (&s);
  if (is_there (o, w.name)) {
    snprintf (error, size, "is said twice");
    goto fail;
  }
  if (append (o, &w) == 0)
    return 0;
 fail:
  free (w.name);
  free (w.settings);
  return -1;
}

int
exports_option_add (struct exports_options *o, const char *value)
{
  char error[ERROR_SIZE];

  if (add (o, value, error, sizeof error) == 0)
    return 0;
  nbdkit_error ("export=%.200s: %s", value, error[0] ? error : "no memory");
  return -1;
}

/* ---- a file of them ---- */

static char *
trimmed (char *line)
{
  char *end;

  line += strspn (line, " \t");
  end = line + strlen (line);
  while (end > line && strchr (" \t\r\n", end[-1]))
    *--end = '\0';
  return line;
}

static int
read_file (struct exports_options *o, FILE *fp, const char *path)
{
  char *line = NULL, error[ERROR_SIZE];
  size_t room = 0;
  unsigned number = 0;
  int r = 0;

  while (r == 0 && getline (&line, &room, fp) != -1) {
    const char *text = trimmed (line);

    number++;
    if (*text == '\0' || *text == '#')
      continue;
    r = add (o, text, error, sizeof error);
    if (r == -1)
      nbdkit_error ("exports=%s: line %u: %s", path, number,
                    error[0] ? error : "no memory");
  }
  if (r == 0 && ferror (fp)) {
    nbdkit_error ("exports=%s: %m", path);
    r = -1;
  }
  free (line);
  return r;
}

int
exports_option_file (struct exports_options *o, const char *value)
{
  FILE *fp;
  int r;

  if (strcmp (value, "auto") == 0) {
    o->automatic = true;
    return 0;
  }
  if (value[0] == '\0') {
    nbdkit_error ("exports=: must be auto, or a file of them");
    return -1;
  }
  fp = fopen (value, "re");
  if (!fp) {
    nbdkit_error ("exports=%s: %m", value);
    return -1;
  }
  r = read_file (o, fp, value);
  fclose (fp);
  return r;
}

/* ---- all of them ---- */

void
exports_automatic_settings (const struct exports_options *o,
                            char text[EXPORTS_AUTOMATIC_SIZE])
{
  text[0] = '\0';
  if (o->quota != 0)
    snprintf (text, EXPORTS_AUTOMATIC_SIZE, "quota=%" PRIu64, o->quota);
}

/* What would be refused when a client comes. */
static int
check_automatic (const struct exports_options *o)
{
  char text[EXPORTS_AUTOMATIC_SIZE], error[ERROR_SIZE];
  struct export_settings s;

  exports_automatic_settings (o, text);
  if (export_settings_parse (&s, text, error, sizeof error) == -1) {
    nbdkit_error ("exports=auto: export-%s", error);
    return -1;
  }
  export_settings_free (&s);
  return 0;
}

int
exports_options_check (struct exports_options *o)
{
  if (!o->automatic && (o->max != 0 || o->size != 0 || o->quota != 0)) {
    nbdkit_error ("max-exports, export-size and export-quota say something "
                  "about exports=auto, which is missing");
    return -1;
  }
  if (o->automatic && o->size == 0) {
    nbdkit_error ("exports=auto: export-size is missing");
    return -1;
  }
  if (check_automatic (o) == -1)
    return -1;
  if (o->count > POOL_DEVICES_MAX) {
    nbdkit_error ("export: there are up to %d", POOL_DEVICES_MAX);
    return -1;
  }
  if (o->max == 0)
    o->max = AUTOMATIC_MAX;
  return 0;
}

void
exports_options_free (struct exports_options *o)
{
  for (size_t i = 0; i < o->count; ++i) {
    free (o->wanted[i].name);
    free (o->wanted[i].settings);
  }
  free (o->wanted);
  *o = (struct exports_options) { .count = 0 };
}
