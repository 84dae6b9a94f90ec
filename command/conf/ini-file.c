/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "command/base/cleanup.h"
#include "service/set-error.h"

#include "conf.h"
#include "ini-file.h"
#include "internal.h"

#define BLANKS " \t\r\n"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* The longest line, with its comment, in bytes. */
#define LINE_BYTES_MAX 65536

struct reading {
  FILE *file;
  bool sections;                /* they are allowed */
  ini_on_setting *on_setting;
  void *opaque;
  unsigned line;
  int err;                      /* of reading */
  bool failed;                  /* ERROR says why; nothing more is read */
  char error[CONF_ERROR_SIZE];
};

static void
set_line_error (struct reading *r, const char *what)
{
  if (!r->failed)
    snprintf (r->error, sizeof r->error, "%s", what);
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
check_line (const struct reading *r, const char *start, size_t size)
{
  if (strlen (start) + 1 >= size)
    return "the line is too long";
  if (*start == '[' && !r->sections)
    return "there are no sections in this file";
  if (*start == '[')
    return strchr (start, ']') ? NULL : "the line is not [SECTION]";
  return *start && !strchr (start, '=') ? "the line is not KEY = VALUE" : NULL;
}

/* The library tells of a section only with its first setting. */
static void
begin_section (struct reading *r, const char *line)
{
  char name[LINE_BYTES_MAX];
  struct ini_setting s = { .section = name, .line = r->line };

  snprintf (name, sizeof name, "%.*s", (int) strcspn (line + 1, "]"),
            line + 1);
  if (r->on_setting (r->opaque, &s, r->error, sizeof r->error) == -1)
    r->failed = true;
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
    wrong = check_line (r, start, (size_t) size);
  }
  if (wrong)
    set_line_error (r, wrong);
  else if (*start == '[')
    begin_section (r, start);
  if (r->failed)
    return NULL;
  strcpy (line, start);
  return line;
}

static int
on_line (void *opaque, const char *section, const char *key, const char *value)
{
  struct reading *r = opaque;
  struct ini_setting s = {
    .section = section, .key = key, .value = value ? value : "",
    .line = r->line,
  };

  if (!r->failed
      && r->on_setting (r->opaque, &s, r->error, sizeof r->error) == -1)
    r->failed = true;
  return !r->failed;
}

int
ini_file_read (const char *path, bool sections, ini_on_setting *on_setting,
               void *opaque, char *error, size_t size)
{
  CLEANUP_FCLOSE FILE *file = fopen (path, "re");
  struct reading r = {
    .file = file, .sections = sections, .on_setting = on_setting,
    .opaque = opaque,
  };
  int line;

  if (!file)
    return set_error (error, size, "%s: %s", path, strerror (errno));
  line = ini_parse_stream (next_line, &r, on_line, &r);
  if (r.failed)
    return conf_error (error, size, "%s:%u: %s", path, r.line, r.error);
  if (line > 0)
    return conf_error (error, size, "%s:%d: the line is not KEY = VALUE", path,
                       line);
  if (line == 0 && r.err == 0)
    return 0;
  errno = r.err ? r.err : ENOMEM;
  return set_error (error, size, "%s: %s", path, strerror (errno));
}
