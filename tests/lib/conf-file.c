/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include <cmocka.h>

#include "conf-file.h"
#include "lib/base/util.h"

char directory[64], cause[CONF_ERROR_SIZE + PATH_MAX];

const char *
in_directory (const char *name)
{
  static char path[PATH_MAX];

  snprintf (path, sizeof path, "%s/%s", directory, name);
  return path;
}

void
begin (struct conf *c)
{
  conf_init (c);
  assert_true (c->ram > 0);
  c->ram = RAM;
  cause[0] = '\0';
}

void
put_file (const char *text, size_t length)
{
  FILE *file = fopen (in_directory ("a.conf"), "w");

  assert_non_null (file);
  assert_int_equal (fwrite (text, 1, length, file), length);
  assert_int_equal (fclose (file), 0);
}

void
read_text (struct conf *c, const char *text)
{
  put_file (text, strlen (text));
  if (conf_read (c, in_directory ("a.conf"), cause, sizeof cause) == -1)
    fail_msg ("%s", cause);
}

void
set (struct conf *c, const char *word)
{
  if (conf_set_word (c, word, cause, sizeof cause) == -1)
    fail_msg ("%s: %s", word, cause);
}

void
assert_parameters (const struct conf *c, const char *wanted)
{
  char all[1024] = "";

  for (size_t i = 0; i < c->parameter_count; ++i) {
    strcat (all, i ? " " : "");
    strcat (all, c->parameters[i]);
  }
  assert_string_equal (all, wanted);
}

int
conf_setup (void **state)
{
  (void) state;
  snprintf (directory, sizeof directory, "/tmp/nbdzram-conf.XXXXXX");
  return mkdtemp (directory) ? 0 : -1;
}

int
conf_teardown (void **state)
{
  (void) state;
  unlink (in_directory ("a.conf"));
  unlink (in_directory ("w.conf"));
  return rmdir (directory);
}
