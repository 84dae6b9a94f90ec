/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/store/device.h"

#include "export-settings.h"
#include "parse-size.h"
#include "set-error.h"
#include "settings.h"

static const struct setting keys[] = {
  { .name = "size", .type = SETTING_SIZE, .min = 1, .max = DEVICE_SIZE_MAX,
    .offset = offsetof (struct export_settings, size) },
  { .name = "quota", .type = SETTING_SIZE, .min = 256 * KIB,
    .offset = offsetof (struct export_settings, quota) },
  { .name = "bandwidth", .type = SETTING_SIZE, .min = 64 * KIB,
    .offset = offsetof (struct export_settings, bandwidth) },
  { .name = "algorithm", .type = SETTING_ALGORITHM },
  { .name = "allow", .type = SETTING_TEXT },
  { 0 },
};

/* The key that TEXT begins with, or NULL. */
static const struct setting *
key_at (const char *text)
{
  size_t length = strcspn (text, "=");

  return text[length] == '=' ? setting_find_in (keys, text, length) : NULL;
}

const char *
export_name_end (const char *text)
{
  while (*text != '\0' && (*text != ':' || !key_at (text + 1)))
    ++text;
  return text;
}

/* ---- one setting ---- */

/* No dictionary: the server would read its file with its own rights for any
 * client of the control socket; and a pool has few places for dictionaries.
 */
static int
set_algorithm (struct export_settings *s, const char *value, char *error,
               size_t size)
{
  char why[256] = "an export's algorithm has no dictionary";

  if (!strstr (value, ":dict=")
      && algorithm_parse (value, &s->algorithm, why, sizeof why) == 0)
    return 0;
  return set_error (error, size, "algorithm=%.64s: %s", value, why);
}

static int
set_allow (struct export_settings *s, const char *value, char *error,
           size_t size)
{
  s->allow_text = strdup (value);
  if (!s->allow_text)
    return set_error (error, size, "no memory");
  return allow_add (&s->allow, value, error, size);
}

static int
set_key (struct export_settings *s, const struct setting *key,
         const char *value, char *error, size_t size)
{
  int64_t bytes;

  if (!key)
    return set_error (error, size, "%.64s: an export has size=, quota=, "
                      "bandwidth=, algorithm= and allow=", value);
  if (key->type == SETTING_ALGORITHM)
    return set_algorithm (s, value, error, size);
  if (key->type == SETTING_TEXT)
    return set_allow (s, value, error, size);
  if (setting_parse (key, value, machine_ram (), &bytes, error, size) == -1)
    return -1;
  memcpy ((char *) s + key->offset, &bytes, sizeof bytes);
  return 0;
}

/* ---- all of them ---- */

static int
parse_keys (struct export_settings *s, const char *text, char *error,
            size_t size)
{
  unsigned seen = 0;

  while (*text != '\0') {
    const struct setting *key = key_at (text);
    size_t skip = key ? strlen (key->name) + 1 : 0;
    const char *end = export_name_end (text + skip);
    char *value = strndup (text + skip, (size_t) (end - text) - skip);
    int r;

    if (!value)
      return set_error (error, size, "no memory");
    r = key && (seen >> (key - keys) & 1) != 0
      ? set_error (error, size, "%s=%.64s: is said twice", key->name, value)
      : set_key (s, key, value, error, size);
    free (value);
    if (r == -1)
      return -1;
    seen |= 1U << (key - keys);
    text = *end == ':' ? end + 1 : end;
  }
  return 0;
}

int
export_settings_parse (struct export_settings *s, const char *text,
                       char *error, size_t size)
{
  *s = (struct export_settings) { .size = 0 };
  if (*text == ':')
    ++text;
  if (strlen (text) > DEVICE_SETTINGS_MAX)
    return set_error (error, size, "%.64s: is too long", text);
  if (parse_keys (s, text, error, size) == 0)
    return 0;
  export_settings_free (s);
  return -1;
}

void
export_settings_free (struct export_settings *s)
{
  allow_free (&s->allow);
  free (s->allow_text);
  s->allow_text = NULL;
}

/* Is the character at P a control character?  U+0080 to U+009F are two bytes
 * in UTF-8.
 */
static bool
is_control (const char *p)
{
  const unsigned char *c = (const unsigned char *) p;

  return *c < ' ' || *c == 0x7f
    || (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f);
}

const char *
export_name_shown (const char *name, char text[EXPORT_SHOWN_SIZE])
{
  size_t i;

  for (i = 0; i < EXPORT_SHOWN_SIZE - 1 && name[i] != '\0'; ++i)
    text[i] = name[i] < ' ' || name[i] >= 0x7f ? '?' : name[i];
  text[i] = '\0';
  return text;
}

bool
export_name_valid (const char *name, char *error, size_t size)
{
  json_t *text = json_string (name); /* which is NULL unless it is UTF-8 */
  bool printable = true;

  for (const char *p = name; *p != '\0'; ++p)
    printable &= !is_control (p);
  json_decref (text);
  if (!text || !printable)
    snprintf (error, size, "the name of an export must be UTF-8, without "
              "control characters");
  else if (strlen (name) > DEVICE_NAME_MAX)
    snprintf (error, size, "the name of an export has up to %d bytes",
              DEVICE_NAME_MAX);
  else
    return true;
  return false;
}
