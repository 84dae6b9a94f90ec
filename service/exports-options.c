/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/devices.h"

#include "export-settings.h"
#include "exports-options.h"
#include "set-error.h"

/* The default of max-exports=. */
#define AUTOMATIC_MAX 64

#define ERROR_SIZE 512

static int
append_wanted (struct exports_options *o, const struct wanted_export *w)
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
is_wanted (const struct exports_options *o, const char *name)
{
  for (size_t i = 0; i < o->count; ++i)
    if (strcmp (o->wanted[i].name, name) == 0)
      return true;
  return false;
}

/* Adds the export VALUE.  Returns 0, or -1 with the reason in ERROR. */
static int
add_wanted (struct exports_options *o, const char *value, char *error,
            size_t size)
{
  const char *end = export_name_end (value);
  struct wanted_export w = { .name = strndup (value, (size_t) (end - value)),
                             .settings = strdup (*end == ':' ? end + 1 : "") };
  struct export_settings s;

  set_error (error, size, "%s", strerror (ENOMEM));
  if (!w.name || !w.settings)
    goto fail;
  if (!export_name_valid (w.name, error, size)
      || export_settings_parse (&s, w.settings, error, size) == -1)
    goto fail;
  w.size = s.size;
  export_settings_free (&s);
  if (is_wanted (o, w.name)) {
    set_error (error, size, "the export is given twice");
    goto fail;
  }
  if (append_wanted (o, &w) == 0)
    return 0;
 fail:
  free (w.name);
  free (w.settings);
  return -1;
}

int
exports_option_add (struct exports_options *o, const char *value,
                    char *error, size_t size)
{
  char why[ERROR_SIZE];

  if (add_wanted (o, value, why, sizeof why) == 0)
    return 0;
  return set_error (error, size, "export=%.200s: %s", value, why);
}

/* ---- a file of them ---- */

static char *
trim_line (char *line)
{
  char *end;

  line += strspn (line, " \t");
  end = line + strlen (line);
  while (end > line && strchr (" \t\r\n", end[-1]))
    *--end = '\0';
  return line;
}

static int
read_lines (struct exports_options *o, FILE *fp, const char *path,
            char *error, size_t size)
{
  char *line = NULL, why[ERROR_SIZE];
  size_t allocated = 0;
  unsigned number = 0;
  int r = 0;

  while (r == 0 && getline (&line, &allocated, fp) != -1) {
    const char *text = trim_line (line);

    number++;
    if (*text == '\0' || *text == '#')
      continue;
    if (add_wanted (o, text, why, sizeof why) == -1)
      r = set_error (error, size, "exports=%.200s: line %u: %s", path, number,
                     why);
  }
  if (r == 0 && ferror (fp))
    r = set_error (error, size, "exports=%.200s: %s", path, strerror (errno));
  free (line);
  return r;
}

int
exports_option_file (struct exports_options *o, const char *value,
                     char *error, size_t size)
{
  FILE *fp;
  int r;

  if (strcmp (value, "auto") == 0) {
    o->automatic = true;
    return 0;
  }
  if (value[0] == '\0')
    return set_error (error, size, "exports=: must be auto, or the path of a "
                      "file");
  fp = fopen (value, "re");
  if (!fp)
    return set_error (error, size, "exports=%.200s: %s", value,
                      strerror (errno));
  r = read_lines (o, fp, value, error, size);
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

/* Checks at the start what would be refused when a client connects. */
static int
check_automatic (const struct exports_options *o, char *error, size_t size)
{
  char text[EXPORTS_AUTOMATIC_SIZE], why[ERROR_SIZE];
  struct export_settings s;

  exports_automatic_settings (o, text);
  if (export_settings_parse (&s, text, why, sizeof why) == -1)
    return set_error (error, size, "exports=auto: export-%s", why);
  export_settings_free (&s);
  return 0;
}

int
exports_options_check (struct exports_options *o, char *error, size_t size)
{
  if (!o->automatic && (o->max != 0 || o->size != 0 || o->quota != 0))
    return set_error (error, size, "max-exports=, export-size= and "
                      "export-quota= require exports=auto");
  if (o->automatic && o->size == 0)
    return set_error (error, size, "exports=auto requires export-size=");
  if (check_automatic (o, error, size) == -1)
    return -1;
  if (o->count > POOL_DEVICES_MAX)
    return set_error (error, size, "export=: there can be at most %d exports",
                      POOL_DEVICES_MAX);
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
