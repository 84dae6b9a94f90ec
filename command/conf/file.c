/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes settings in files.
 *
 * Each distribution builds the library inih with other options: an indented
 * line may continue the one before, comments may begin anywhere or only at the
 * start, long lines may be cut.  So this file passes it only lines in which
 * none of this matters, and a file means the same everywhere.
 */

#include <config.h>

#include <errno.h>
#include <ini.h>
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
#include "internal.h"

#define BLANKS " \t\r\n"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void
conf_path (char *path, size_t size, const char *name)
{
  const char *directory = getenv ("NBDZRAM_CONF_DIR");

  snprintf (path, size, "%s/%s" CONF_SUFFIX,
            directory ? directory : CONF_DIRECTORY, name);
}

void
conf_run_path (char *path, size_t size, const char *name)
{
  char directory[PATH_MAX];

  snprintf (path, size, "%s/%s" CONF_SUFFIX,
            control_directory (directory, sizeof directory), name);
}

/* ---- reading ---- */

/* The longest line, with its comment, in bytes. */
#define LINE_BYTES_MAX 65536

struct reading {
  struct conf *conf;
  FILE *file;
  unsigned line;
  int err;                      /* of reading */
  bool failed;                  /* ERROR says why; nothing more is read */
  char *error;
  size_t size;
};

static void
set_line_error (struct reading *r, const char *what)
{
  if (!r->failed)
    snprintf (r->error, r->size, "%s", what);
  r->failed = true;
}

static void
cut_comment (char *line)
{
  for (char *s = line; *s; ++s)
    if ((*s == '#' || *s == ';') && (s == line || strchr (BLANKS, s[-1]))) {
      *s = '\0';
      return;
    }
}

static char *
trim (char *line)
{
  size_t length;

  line += strspn (line, BLANKS);
  for (length = strlen (line); length > 0; --length)
    if (!strchr (BLANKS, line[length - 1]))
      break;
  line[length] = '\0';
  return line;
}

static bool
has_control_character (const char *line)
{
  size_t length = strcspn (line, "\n");

  if (length > 0 && line[length - 1] == '\r')
    length--;
  for (size_t i = 0; i < length; ++i)
    if (((unsigned char) line[i] < ' ' && line[i] != '\t') || line[i] == 127)
      return true;
  return false;
}

/* What is wrong with the bytes of LINE, or NULL. */
static const char *
check_bytes (const struct reading *r, const char *line)
{
  if (!strchr (line, '\n') && !feof (r->file))
    return strlen (line) + 1 < LINE_BYTES_MAX ? "the line has a zero byte"
      : "the line is too long";
  return has_control_character (line) ? "the line has a control character"
    : NULL;
}

static const char *
check_line (const char *start, size_t size)
{
  if (strlen (start) + 1 >= size)
    return "the line is too long";
  if (*start == '[')
    return "there are no sections in this file";
  return *start && !strchr (start, '=') ? "the line is not KEY = VALUE" : NULL;
}

/* As fgets, for the library, which takes SIZE bytes of a line.  The comment
 * may be longer.
 */
static char *
next_line (char *line, int size, void *opaque)
{
  struct reading *r = opaque;
  char text[LINE_BYTES_MAX], *start = text;
  const char *wrong;

  if (r->failed)
    return NULL;
  if (!fgets (text, sizeof text, r->file)) {
    r->err = ferror (r->file) ? errno : 0;
    return NULL;
  }
  wrong = check_bytes (r, text);
  if (++r->line == 1 && strncmp (text, BYTE_ORDER_MARK, 3) == 0)
    start += 3;
  if (!wrong) {
    cut_comment (start);
    start = trim (start);
    wrong = check_line (start, (size_t) size);
  }
  if (wrong) {
    set_line_error (r, wrong);
    return NULL;
  }
  strcpy (line, start);
  return line;
}

static int
on_setting (void *opaque, const char *section, const char *key,
            const char *value)
{
  const struct setting *e = conf_entry (key);
  struct reading *r = opaque;

  (void) section;
  if (r->failed)
    return 0;
  if (e && !e->repeats && (r->conf->seen & conf_entry_bit (e))) {
    snprintf (r->error, r->size, "%s: the file says it a second time", key);
    r->failed = true;
  }
  else if (conf_set (r->conf, key, value ? value : "", r->error,
                     r->size) == -1)
    r->failed = true;
  return !r->failed;
}

static int
read_file (struct reading *r, const char *path)
{
  char why[CONF_ERROR_SIZE] = "";
  char *error = r->error;
  size_t size = r->size;
  int line;

  r->error = why;
  r->size = sizeof why;
  line = ini_parse_stream (next_line, r, on_setting, r);
  if (r->failed)
    return conf_error (error, size, "%s:%u: %s", path, r->line, why);
  if (line > 0)
    return conf_error (error, size, "%s:%d: the line is not KEY = VALUE", path,
                       line);
  if (line == 0 && r->err == 0)
    return 0;
  if (r->err == 0)
    r->err = ENOMEM;
  errno = r->err;
  return set_error (error, size, "%s: %s", path, strerror (errno));
}

int
conf_read (struct conf *c, const char *path, char *error, size_t size)
{
  CLEANUP_FCLOSE FILE *file = fopen (path, "re");
  struct reading r = {
    .conf = c, .file = file, .error = error, .size = size,
  };

  conf_new_layer (c);
  return file ? read_file (&r, path)
    : set_error (error, size, "%s: %s", path, strerror (errno));
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
  int64_t value = conf_get_field (c, e);

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
               conf_get_field (c, e) ? "on" : "off");
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
