/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram set: changes settings of a server, given as KEY=VALUE. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/base/control-request.h"
#include "command/base/output.h"
#include "command/base/suggest.h"
#include "service/parse-size.h"
#include "service/settings.h"

/* The value TEXT of SETTING for the control protocol; ends the program if it
 * is not valid.
 */
static json_t *
parse_value (const struct command *command, const struct setting *setting,
             const char *text)
{
  char error[SETTING_ERROR];
  int64_t n = 0;

  if (!setting_is_integer (setting))
    return json_string (text);
  if (setting_parse (setting, text, machine_ram (), &n, error,
                     sizeof error) == -1)
    usage_error (command, "%s", error);
  return setting->type == SETTING_BOOLEAN ? json_boolean (n)
    : json_integer (n);
}

/* Ends the program because WORD, of LENGTH, is no setting. */
static _Noreturn void
fail_unknown (const struct command *command, const char *word, size_t length)
{
  struct suggestion s = { .word = word, .length = length };

  for (const struct setting *t = settings; t->name; ++t)
    if (t->live)
      suggest_try (&s, t->name);
  if (s.best)
    usage_error (command, "unknown setting %.*s: did you mean %s",
                 (int) length, word, s.best);
  usage_error (command, "unknown setting %.*s", (int) length, word);
}

/* Adds KEY=VALUE to REQUEST. */
static void
add_setting (const struct command *command, json_t *request, const char *word)
{
  size_t length = strcspn (word, "=");
  const struct setting *setting = setting_find (word, length);
  char key[SETTING_KEY_SIZE];

  if (!setting)
    fail_unknown (command, word, length);
  if (!setting->live)
    usage_error (command, "%s can't be set while the server runs",
                 setting->name);
  if (json_object_get (request, setting_key (setting, key)))
    usage_error (command, "%s is given twice", setting->name);
  json_object_set_new (request, key, parse_value (command, setting,
                                                  word + length + 1));
}

/* A limit that is too low for what is held is no error, but not what most
 * expect of it either.
 */
static void
warn_if_above_limit (const json_t *reply)
{
  uint64_t held = json_number (reply, "mem_used_total");
  uint64_t limit = json_number (json_object_get (reply, "settings"),
                                "mem_limit");
  char text[TEXT_SIZE];

  if (limit > 0 && held > limit)
    fprintf (stderr, "nbdzram set: mem-limit: %s are held already, which is "
             "more; no page is lost, but writes that need memory fail until "
             "less is held\n", text_of_size (text, held));
}

/* Prints all settings of the reply, as they are after the change. */
static void
print_settings (const json_t *reply)
{
  const json_t *all = json_object_get (reply, "settings");

  for (const struct setting *s = settings; s->name; ++s) {
    char key[SETTING_KEY_SIZE];
    const json_t *value = json_object_get (all, setting_key (s, key));

    if (json_is_string (value))
      printf ("%s=%s\n", s->name, json_string_value (value));
    else if (json_is_boolean (value))
      printf ("%s=%s\n", s->name, json_is_true (value) ? "on" : "off");
    else if (value)
      printf ("%s=%" PRIu64 "\n", s->name, json_number (all, key));
  }
  warn_if_above_limit (reply);
}

int
command_set (const struct command *command, int argc, char *argv[])
{
  struct control_request q = { .name = NULL };
  const struct option_entry entries[] = { OPTIONS_REQUEST (&q), { 0 } };
  int index = options_parse (command, argc, argv, entries);
  json_t *request = json_pack ("{s:s}", "verb", "set");

  for (; index < argc; ++index)
    if (strchr (argv[index], '='))
      add_setting (command, request, argv[index]);
    else if (q.name)
      usage_error (command, "%s is neither KEY=VALUE nor the name of a "
                   "server", argv[index]);
    else
      q.name = argv[index];
  if (json_object_size (request) == 1)
    usage_error (command, "KEY=VALUE is missing");
  return control_request_send (&q, request, print_settings);
}
