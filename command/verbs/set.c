/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram set: KEY=VALUE, spelled as the server's parameters. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/base/control-request.h"
#include "command/base/output.h"
#include "lib/base/util.h"
#include "service/parse-number.h"
#include "service/parse-size.h"

enum kind { TEXT, SIZE, SECONDS, PERCENT, BOOLEAN };

static const struct {
  const char *name;             /* with dashes; in JSON with underscores */
  enum kind kind;
} settings[] = {
  { "algorithm", TEXT },
  { "mem-limit", SIZE },
  { "policy", BOOLEAN },
  { "recompress-age", SECONDS },
  { "recompress-group", BOOLEAN },
  { "writeback-age", SECONDS },
  { "writeback-watermark", PERCENT },
  { "writeback-limit", SIZE },
  { "maintenance-cpu", PERCENT },
};

#define KEY_SIZE 32

/* The name of a setting in JSON. */
static const char *
json_key (const char *name, char key[KEY_SIZE])
{
  snprintf (key, KEY_SIZE, "%s", name);
  for (char *p = key; (p = strchr (p, '-')) != NULL; )
    *p = '_';
  return key;
}

static json_t *
parse_boolean (const char *s)
{
  static const char *const names[][2] = {
    { "off", "on" }, { "no", "yes" }, { "false", "true" }, { "0", "1" },
  };

  for (size_t i = 0; i < ARRAY_SIZE (names); ++i)
    for (int on = 0; on <= 1; ++on)
      if (strcmp (s, names[i][on]) == 0)
        return json_boolean (on);
  return NULL;
}

/* NULL when S is no value of this kind. */
static json_t *
parse_value (enum kind kind, const char *s)
{
  size_t length = strlen (s);
  char number[32], why[PARSE_SIZE_ERROR];
  uint64_t n;

  if (kind == SIZE)
    return parse_size (s, machine_ram (), &n, why, sizeof why) == 0
      ? json_integer ((json_int_t) n) : NULL;
  if (kind == TEXT)
    return json_string (s);
  if (kind == BOOLEAN)
    return parse_boolean (s);
  if (kind == PERCENT && length > 0 && s[length - 1] == '%')
    --length;
  if (length >= sizeof number)
    return NULL;
  memcpy (number, s, length);
  number[length] = '\0';
  return parse_number (number, &n) && n <= INT64_MAX
    ? json_integer ((json_int_t) n) : NULL;
}

static void
put (const struct command *command, json_t *request, const char *setting)
{
  size_t length = strcspn (setting, "="), i;
  char key[KEY_SIZE];
  json_t *value;

  for (i = 0; i < ARRAY_SIZE (settings); ++i)
    if (strlen (settings[i].name) == length
        && strncmp (settings[i].name, setting, length) == 0)
      break;
  if (i == ARRAY_SIZE (settings))
    usage_error (command, "%.*s can't be set", (int) length, setting);
  json_key (settings[i].name, key);
  value = parse_value (settings[i].kind, setting + length + 1);
  if (!value)
    usage_error (command, "%s: not a value of %s", setting,
                 settings[i].name);
  if (json_object_get (request, key))
    usage_error (command, "%s is given twice", settings[i].name);
  json_object_set_new (request, key, value);
}

/* All settings, as they are now. */
static void
print (const json_t *reply)
{
  const json_t *all = json_object_get (reply, "settings");

  for (size_t i = 0; i < ARRAY_SIZE (settings); ++i) {
    const char *name = settings[i].name;
    char key[KEY_SIZE];
    const json_t *value = json_object_get (all, json_key (name, key));

    if (json_is_string (value))
      printf ("%s=%s\n", name, json_string_value (value));
    else if (json_is_boolean (value))
      printf ("%s=%s\n", name, json_is_true (value) ? "on" : "off");
    else if (value)
      printf ("%s=%" PRIu64 "\n", name, json_number (all, key));
  }
}

int
command_set (const struct command *command, int argc, char *argv[])
{
  struct control_request q = { .name = NULL };
  const struct option_entry entries[] = { OPTIONS_QUESTION (&q), { 0 } };
  int index = options_parse (command, argc, argv, entries);
  json_t *request = json_pack ("{s:s}", "verb", "set");

  for (; index < argc; ++index)
    if (strchr (argv[index], '='))
      put (command, request, argv[index]);
    else if (q.name)
      usage_error (command, "%s is neither KEY=VALUE nor needed",
                   argv[index]);
    else
      q.name = argv[index];
  if (json_object_size (request) == 1)
    usage_error (command, "what is to be set?");
  return control_request_send (&q, request, print);
}
