/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/store/devices.h"

#include "control-verbs.h"
#include "settings.h"

#define ERROR_SIZE 512

#define NUMBER(key, from, to) \
  { .name = key, .type = ARGUMENT_NUMBER, .min = from, .max = to }
#define STRING(key) { .name = key, .type = ARGUMENT_STRING }
#define BOOLEAN(key) { .name = key, .type = ARGUMENT_BOOLEAN }

/* Part of a device; verb_range checks that it ends within the device. */
#define RANGE                                                           \
  STRING ("device"), NUMBER ("first", 0, INT64_MAX),                    \
  NUMBER ("end", 0, INT64_MAX)

static const struct argument pages_arguments[] = {
  RANGE, NUMBER ("count", 1, PAGES_COUNT_MAX), { 0 },
};

static const struct argument usage_arguments[] = { RANGE, { 0 } };

static const struct argument idle_arguments[] = {
  { .name = "age", .type = ARGUMENT_NUMBER, .max = INT64_MAX,
    .required = true },
  { 0 },
};

static const struct argument recompress_arguments[] = {
  RANGE,
  { .name = "type", .type = ARGUMENT_STRING,
    .choices = (const char *const []) { "all", "idle", "huge", "huge_idle",
                                        "stale", NULL } },
  NUMBER ("threshold", 1, UINT32_MAX),
  NUMBER ("max_pages", 1, INT64_MAX),
  NUMBER ("priority", 1, RECOMPRESS_MAX),
  BOOLEAN ("group"),
  { 0 },
};

static const struct argument writeback_arguments[] = {
  RANGE,
  { .name = "type", .type = ARGUMENT_STRING,
    .choices = (const char *const []) { "all", "idle", "huge", "huge_idle",
                                        "incompressible", NULL } },
  { 0 },
};

static const struct argument export_add_arguments[] = {
  { .name = "name", .type = ARGUMENT_STRING, .required = true },
  STRING ("settings"),
  { 0 },
};

static const struct argument export_remove_arguments[] = {
  { .name = "name", .type = ARGUMENT_STRING, .required = true },
  BOOLEAN ("force"),
  { 0 },
};

static const struct argument export_resize_arguments[] = {
  { .name = "name", .type = ARGUMENT_STRING, .required = true },
  { .name = "size", .type = ARGUMENT_NUMBER, .min = 1, .max = INT64_MAX,
    .required = true },
  { 0 },
};

static const struct verb verbs[] = {
  { .name = "status", .run = verb_status },
  { .name = "metrics", .run = verb_metrics },
  { .name = "pages", .arguments = pages_arguments, .run = verb_pages },
  { .name = "usage", .arguments = usage_arguments, .run = verb_usage },
  { .name = "idle", .slow = true, .arguments = idle_arguments,
    .run = verb_idle },
  { .name = "recompress", .slow = true, .arguments = recompress_arguments,
    .run = verb_recompress },
  { .name = "writeback", .slow = true, .arguments = writeback_arguments,
    .run = verb_writeback },
  { .name = "compact", .slow = true, .run = verb_compact },
  { .name = "trim-empty", .slow = true, .run = verb_trim_empty },
  { .name = "reset", .slow = true, .run = verb_reset },
  { .name = "set", .slow = true, .takes_settings = true, .run = verb_set },
  { .name = "export-add", .slow = true, .arguments = export_add_arguments,
    .run = verb_export_add },
  { .name = "export-remove", .slow = true,
    .arguments = export_remove_arguments, .run = verb_export_remove },
  { .name = "export-resize", .slow = true,
    .arguments = export_resize_arguments, .run = verb_export_resize },
  { 0 },
};

/* The length of a UTF-8 character that begins with BYTE; 0: not valid. */
static size_t
character_length (unsigned char byte)
{
  return byte < 0x80 ? 1 : byte < 0xc2 ? 0 : byte < 0xe0 ? 2
    : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 0;
}

/* Replaces each byte that is not part of a valid character by '?': text of a
 * peer may have been cut within a character.
 */
static void
make_valid_utf8 (char *text)
{
  while (*text != '\0') {
    size_t length = character_length ((unsigned char) *text), i = 1;

    while (i < length && ((unsigned char) text[i] & 0xc0) == 0x80)
      ++i;
    if (i < length || length == 0)
      *text++ = '?';
    else
      text += length;
  }
}

json_t *
verb_error (const char *format, ...)
{
  char error[ERROR_SIZE];
  va_list ap;

  va_start (ap, format);
  vsnprintf (error, sizeof error, format, ap);
  va_end (ap);
  /* One line, without control characters for a terminal. */
  for (char *p = error; *p != '\0'; ++p)
    if ((unsigned char) *p < ' ' || *p == 0x7f)
      *p = '?';
  make_valid_utf8 (error);
  /* JSON does not take all characters: cut the end until it takes the
   * rest.
   */
  while (error[0] != '\0') {
    json_t *text = json_string (error);

    if (text)
      return json_pack ("{s:b, s:o}", "ok", 0, "error", text);
    error[strlen (error) - 1] = '\0';
  }
  return NULL;
}

/* ---- checking arguments ---- */

static bool
is_choice (const struct argument *a, const char *value)
{
  if (!a->choices)
    return true;
  for (const char *const *c = a->choices; *c; ++c)
    if (strcmp (*c, value) == 0)
      return true;
  return false;
}

static json_t *
choice_error (const struct argument *a, const char *value)
{
  char list[ERROR_SIZE / 2] = "";

  for (const char *const *c = a->choices; *c; ++c)
    snprintf (list + strlen (list), sizeof list - strlen (list), "%s%s",
              c == a->choices ? "" : ", ", *c);
  return verb_error ("\"%s\" can't be \"%.64s\", but one of: %s", a->name,
                     value, list);
}

/* Each returns whether VALUE is valid, and if not sets *REPLY. */
static bool
check_number (const struct argument *a, json_t *value, json_t **reply)
{
  json_int_t n = json_integer_value (value);

  if (json_is_integer (value) && n >= a->min && n <= a->max)
    return true;
  *reply = json_is_integer (value)
    ? verb_error ("\"%s\" must be from %" JSON_INTEGER_FORMAT " to %"
                  JSON_INTEGER_FORMAT, a->name, a->min, a->max)
    : verb_error ("\"%s\" must be a whole number", a->name);
  return false;
}

static bool
check_string (const struct argument *a, json_t *value, json_t **reply)
{
  if (json_is_string (value) && is_choice (a, json_string_value (value)))
    return true;
  *reply = json_is_string (value)
    ? choice_error (a, json_string_value (value))
    : verb_error ("\"%s\" must be a string", a->name);
  return false;
}

static bool
check_boolean (const struct argument *a, json_t *value, json_t **reply)
{
  if (json_is_boolean (value))
    return true;
  *reply = verb_error ("\"%s\" must be true or false", a->name);
  return false;
}

static bool
check_value (const struct argument *a, json_t *value, json_t **reply)
{
  switch (a->type) {
  case ARGUMENT_NUMBER: return check_number (a, value, reply);
  case ARGUMENT_STRING: return check_string (a, value, reply);
  case ARGUMENT_BOOLEAN: return check_boolean (a, value, reply);
  }
  return false;
}

/* The argument of "set" for the setting with this KEY. */
static bool
describe_setting (const char *key, struct argument *a)
{
  const struct setting *s = setting_find_live (key);

  if (!s)
    return false;
  *a = (struct argument) {
    .name = key,
    .type = s->type == SETTING_BOOLEAN ? ARGUMENT_BOOLEAN
      : setting_is_integer (s) ? ARGUMENT_NUMBER : ARGUMENT_STRING,
    .min = (json_int_t) s->min,
    .max = s->max > 0 ? (json_int_t) s->max : INT64_MAX,
  };
  return true;
}

static bool
find_argument (const struct verb *verb, const char *name,
               struct argument *found)
{
  if (verb->takes_settings)
    return describe_setting (name, found);
  for (const struct argument *a = verb->arguments; a && a->name; ++a)
    if (strcmp (a->name, name) == 0) {
      *found = *a;
      return true;
    }
  return false;
}

static bool
check_key (const struct verb *verb, const char *key, json_t *value,
           json_t **reply)
{
  struct argument a;

  if (find_argument (verb, key, &a))
    return check_value (&a, value, reply);
  if (strcmp (key, "verb") == 0)
    return true;
  *reply = verb_error ("%s has no key \"%.64s\"", verb->name, key);
  return false;
}

static bool
check_arguments (const struct verb *verb, json_t *args, json_t **reply)
{
  const char *key;
  json_t *value;

  json_object_foreach (args, key, value)
    if (!check_key (verb, key, value, reply))
      return false;
  for (const struct argument *a = verb->arguments; a && a->name; ++a)
    if (a->required && !json_object_get (args, a->name)) {
      *reply = verb_error ("%s needs \"%s\"", verb->name, a->name);
      return false;
    }
  return true;
}

/* ---- requests ---- */

static const struct verb *
find_verb (const json_t *args, json_t **reply)
{
  json_t *value = json_object_get (args, "verb");
  const char *name = json_string_value (value);

  if (!json_is_object (args)) {
    *reply = verb_error ("a request is an object: {\"verb\": \"status\"}");
    return NULL;
  }
  if (!name) {
    *reply = verb_error ("a request needs \"verb\", a string");
    return NULL;
  }
  for (const struct verb *v = verbs; v->name; ++v)
    if (strcmp (v->name, name) == 0)
      return v;
  *reply = verb_error ("unknown verb \"%.64s\"", name);
  return NULL;
}

const struct verb *
verb_parse (const char *line, size_t length, json_t **args, json_t **reply)
{
  const struct verb *verb;
  json_error_t error;

  *reply = NULL;
  *args = json_loadb (line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                      &error);
  if (!*args) {
    *reply = verb_error ("not JSON: %s", error.text);
    return NULL;
  }
  verb = find_verb (*args, reply);
  if (verb && check_arguments (verb, *args, reply))
    return verb;
  json_decref (*args);
  return NULL;
}

/* ---- helpers of verbs ---- */

json_int_t
verb_number (const json_t *args, const char *name, json_int_t otherwise)
{
  const json_t *value = json_object_get (args, name);

  return value ? json_integer_value (value) : otherwise;
}

const char *
verb_string (const json_t *args, const char *name, const char *otherwise)
{
  const json_t *value = json_object_get (args, name);

  return value ? json_string_value (value) : otherwise;
}

bool
verb_range (const struct control_context *context, const json_t *args,
            struct device **device, uint64_t *first, uint64_t *end,
            json_t **reply)
{
  const char *name = verb_string (args, "device", "");

  *device = device_find (context->pool, name);
  if (!*device) {
    *reply = errno == EBUSY
      ? verb_error ("the device is being resized")
      : verb_error ("there is no device \"%.64s\"", name);
    return false;
  }
  *first = (uint64_t) verb_number (args, "first", 0);
  *end = (uint64_t) verb_number (args, "end", (json_int_t) (*device)->pages);
  if (*first <= *end && *end <= (*device)->pages)
    return true;
  *reply = *end > (*device)->pages
    ? verb_error ("the device has only %" PRIu64 " pages", (*device)->pages)
    : verb_error ("\"first\" must not be above \"end\"");
  device_put (*device);
  return false;
}
