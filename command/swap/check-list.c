/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of checks that check-machine.c and check-server.c fill. */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command/base/output.h"

#include "check.h"

#define TEXT_MAX 512

void
check_add (json_t *list, enum check_status status, const char *name,
           const char *remedy, const char *format, ...)
{
  static const char *const words[] = { "ok", "warn", "missing" };
  char found[TEXT_MAX];
  json_t *check;
  va_list ap;

  va_start (ap, format);
  vsnprintf (found, sizeof found, format, ap);
  va_end (ap);
  check = json_pack ("{s:s, s:s, s:s}", "check", name,
                     "status", words[status], "found", found);
  if (status != CHECK_OK)
    json_object_set_new (check, "remedy", json_string (remedy));
  json_array_append_new (list, check);
}

bool
check_has_missing (const json_t *list)
{
  const json_t *check;
  size_t i;

  json_array_foreach (list, i, check)
    if (strcmp (json_text (check, "status"), "missing") == 0)
      return true;
  return false;
}

void
check_print_problems (const json_t *list, const char *prefix)
{
  const json_t *check;
  size_t i;

  json_array_foreach (list, i, check)
    if (strcmp (json_text (check, "status"), "ok") != 0)
      fprintf (stderr, "%s%s: %s: %s; to do: %s\n", prefix,
               json_text (check, "status"), json_text (check, "check"),
               json_text (check, "found"), json_text (check, "remedy"));
}

void
check_print (const json_t *list)
{
  const json_t *check;
  size_t i;

  json_array_foreach (list, i, check) {
    printf ("%-8s %-13s %s\n", json_text (check, "status"),
            json_text (check, "check"), json_text (check, "found"));
    if (json_object_get (check, "remedy"))
      printf ("%-8s %-13s -> %s\n", "", "", json_text (check, "remedy"));
  }
}
