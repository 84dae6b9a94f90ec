/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram check: are this machine and a server safe for swap? */

#include <config.h>

#include <stdlib.h>

#include "command/base/options.h"
#include "command/base/output.h"
#include "command/swap/check.h"

/* Find the server that was asked for, or the only one.  False, with EXIT_OK in
 * *CODE, if none was asked for and none runs.
 */
static bool
find_server (const char *name, const char *control, struct server *s,
             int *code)
{
  size_t count = 1;

  *code = EXIT_OK;
  if (!name && !control)
    free (servers_find (&count));
  if (count == 0)
    return false;
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
  json_auto_t *list = json_array (), *status = NULL;
  struct server s = { .name = "" };

  name = last_argument (command, index, argc, argv);
  check_machine (list);
  if (name && !control && check_remote (list, name))
    code = EXIT_OK;
  else if (find_server (name, control, &s, &code))
    code = check_server (list, &s, &status);
  if (code == EXIT_OK) {
    code = check_has_missing (list) ? EXIT_FAILED : EXIT_OK;
    if (!json)
      check_print (list);
    else if (print_json (json_pack (
               "{s:b, s:O?, s:O}", "ok", code == EXIT_OK,
               "name", json_object_get (status, "name"), "checks", list))
             != EXIT_OK)
      code = EXIT_FAILED;
  }
  return code;
}
