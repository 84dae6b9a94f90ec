/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/store/device.h"

#include "export-settings.h"
#include "parse-size.h"

#define QUOTA_MIN (256 * KIB)
#define BANDWIDTH_MIN (64 * KIB)

enum key {
  KEY_SIZE, KEY_QUOTA, KEY_BANDWIDTH, KEY_ALGORITHM, KEY_ALLOW, KEYS,
};

static const char *const keys[KEYS] = {
  [KEY_SIZE] = "size=",
  [KEY_QUOTA] = "quota=",
  [KEY_BANDWIDTH] = "bandwidth=",
  [KEY_ALGORITHM] = "algorithm=",
  [KEY_ALLOW] = "allow=",
};

/* The key that TEXT begins with, or KEYS. */
static enum key
key_at (const char *text)
{
  enum key k = 0;

  while (k < KEYS && strncmp (text, keys[k], strlen (keys[k])) != 0)
    ++k;
  return k;
}

const char *
export_name_end (const char *text)
{
  while (*text != '\0' && (*text != ':' || key_at (text + 1) == KEYS))
    ++text;
  return text;
}

/* ---- one setting ---- */

static int
refuse (char *error, size_t size, const char *key, const char *value,
        const char *why)
{
  snprintf (error, size, "%s%.64s: %s", key, value, why);
  return -1;
}

static int
set_bytes (uint64_t *to, enum key key, const char *value, uint64_t min,
           uint64_t max, char *error, size_t size)
{
  char why[PARSE_SIZE_ERROR];

  if (parse_size (value, machine_ram (), to, why, sizeof why) == -1) {
    snprintf (error, size, "%s%.64s: is not a size: it %s", keys[key], value,
              why);
    return -1;
  }
  if (*to < min || *to > max) {
    snprintf (error, size, "%s%.64s: must be from %" PRIu64 " to %" PRIu64
              " bytes", keys[key], value, min, max);
    return -1;
  }
  return 0;
}

/* No dictionary: the server would read its file with its own rights for any
 * client of the control socket; and a pool has few places for dictionaries.
 */
static int
set_algorithm (struct export_settings *s, const char *value, char *error,
               size_t size)
{
  char why[256];

  if (strstr (value, ":dict="))
    return refuse (error, size, keys[KEY_ALGORITHM], value,
                   "an export's algorithm has no dictionary");
  if (algorithm_parse (value, &s->algorithm, why, sizeof why) == -1)
    return refuse (error, size, keys[KEY_ALGORITHM], value, why);
  return 0;
}

static int
set_allow (struct export_settings *s, const char *value, char *error,
           size_t size)
{
  s->allow_text = strdup (value);
  if (!s->allow_text)
    return refuse (error, size, "", "", "no memory");
  return allow_add (&s->allow, value, error, size);
}

static int
set_key (struct export_settings *s, enum key key, const char *value,
         char *error,
         size_t size)
{
  switch (key) {
  case KEY_SIZE:
    return set_bytes (&s->size, key, value, 1, DEVICE_SIZE_MAX, error, size);
  case KEY_QUOTA:
    return set_bytes (&s->quota, key, value, QUOTA_MIN, INT64_MAX, error,
                      size);
  case KEY_BANDWIDTH:
    return set_bytes (&s->bandwidth, key, value, BANDWIDTH_MIN, INT64_MAX,
                      error, size);
  case KEY_ALGORITHM:
    return set_algorithm (s, value, error, size);
  case KEY_ALLOW:
    return set_allow (s, value, error, size);
  default:
    return refuse (error, size, "", value,
                   "an export has size=, quota=, bandwidth=, algorithm= and "
                   "allow=");
  }
}

/* ---- all of them ---- */

static int
parse_keys (struct export_settings *s, const char *text, char *error,
            size_t size)
{
  unsigned seen = 0;

  while (*text != '\0') {
    enum key key = key_at (text);
    size_t skip = key < KEYS ? strlen (keys[key]) : 0;
    const char *end = export_name_end (text + skip);
    char *value = strndup (text + skip, (size_t) (end - text) - skip);
    int r;

    if (!value)
      return refuse (error, size, "", "", "no memory");
    r = key < KEYS && (seen >> key & 1) != 0
      ? refuse (error, size, keys[key], value, "is said twice")
      : set_key (s, key, value, error, size);
    free (value);
    if (r == -1)
      return -1;
    seen |= 1U << key;
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
    return refuse (error, size, "", text, "is too long");
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
