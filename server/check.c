/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram check: is this machine, and this server, fit for swap? */

#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "options.h"
#include "output.h"

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

static bool
any_missing (const json_t *list)
{
  const json_t *check;
  size_t i;

  json_array_foreach (list, i, check)
    if (strcmp (json_text (check, "status"), "missing") == 0)
      return true;
  return false;
}

static void
print (const json_t *list)
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

/* The server asked for, or the only one; false: there is none, and none
 * was asked for.
 */
static bool
find (const char *name, const char *control, struct server *s, int *code)
{
  struct server *all;
  size_t count;

  *code = EXIT_OK;
  if (!name && !control) {
    all = servers_find (&count);
    free (all);
    if (count == 0)
      return false;
  }
  *code = server_find (s, name, control);
  return *code == EXIT_OK;
}

int
command_check (const struct command *command, int argc, char *argv[])
{
  const char *name, *control = NULL;
  bool json = false;
  const struct option_entry entries[] = {
    { .name = "json", .letter = 'J', .flag = &json,
      .help = "print an object with a list of checks" },
    OPTION_CONTROL (&control),
    { 0 },
  };
  int code, index = options_parse (command, argc, argv, entries);
  json_t *list = json_array (), *status = NULL;
  struct server s = { .name = "" };

  name = last_argument (command, index, argc, argv);
  check_machine (list);
  if (name && !control && check_remote (list, name))
    code = EXIT_OK;
  else if (find (name, control, &s, &code)) {
    code = server_ask (&s, json_pack ("{s:s}", "verb", "status"), TIMEOUT,
                       &status);
    if (code == EXIT_OK)
      check_server (list, &s, status);
  }
  if (code == EXIT_OK) {
    code = any_missing (list) ? EXIT_FAILED : EXIT_OK;
    if (!json)
      print (list);
    else if (print_json (json_pack (
               "{s:b, s:O?, s:O}", "ok", code == EXIT_OK,
               "name", json_object_get (status, "name"), "checks", list))
             != EXIT_OK)
      code = EXIT_FAILED;
  }
  json_decref (status);
  json_decref (list);
  return code;
}
