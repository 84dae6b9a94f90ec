/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/util.h"
#include "lib/store/device.h"

#include "parse-number.h"
#include "parse-size.h"
#include "server-settings.h"
#include "settings.h"

/* The ages of pages beyond this can't be told apart (age.h). */
#define AGE_SECONDS_MAX (5 * 86400)

#define BACKING_TIMEOUT_MAX 3600 /* seconds */

/* A smaller disk or backing file is probably a forgotten unit:
 * zram-generator, whose files look alike, counts in megabytes.
 */
#define CONF_DISK_MIN MIB

#define FIELD(f)                                                        \
  .offset = offsetof (struct server_settings, f),                       \
  .bytes = sizeof (((struct server_settings *) NULL)->f)

/* In the order of the manual, nbdkit-zram-plugin(1). */
const struct setting settings[] = {
  { .name = "size", .type = SETTING_SIZE, .min = 1, .max = DEVICE_SIZE_MAX,
    .conf_min = CONF_DISK_MIN, FIELD (size),
    .values = "<SIZE>",
    .help = "Size of the disk, up to 1P; required, unless there\n"
            "are exports." },
  { .name = "export", .type = SETTING_TEXT, .repeats = true,
    .values = "<NAME>[:size=<SIZE>][:quota=<SIZE>][:bandwidth=<SIZE>]\n"
              "              [:algorithm=<NAME>[:level=<N>]][:allow=<LIST>]",
    .help = "Another disk, of this name: its size, the most\n"
            "memory it holds, bytes a second, how its pages\n"
            "are compressed, which clients may use it." },
  { .name = "exports", .type = SETTING_PATH, .words = { { "auto", 0 } },
    .values = "<PATH>|auto",
    .help = "A file with one of these a line; or whatever name\n"
            "a client asks for." },
  { .name = "max-exports", .type = SETTING_NUMBER, .min = 1,
    .max = POOL_DEVICES_MAX, FIELD (exports.max),
    .values = "<N>",
    .help = "... so many at most (default: 64)," },
  { .name = "export-size", .type = SETTING_SIZE, .min = 1,
    .max = DEVICE_SIZE_MAX, .conf_min = CONF_DISK_MIN, FIELD (exports.size),
    .values = "<SIZE>", .help = "... of this size (required)," },
  { .name = "export-quota", .type = SETTING_SIZE, .min = 1,
    .max = DEVICE_SIZE_MAX, FIELD (exports.quota),
    .values = "<SIZE>", .help = "... with this quota (default: none)." },
  { .name = "algorithm", .type = SETTING_ALGORITHM, .live = true,
    .values = "<NAME>[:level=<N>][:dict=<FILE>|auto]",
    .help = "How pages are compressed (default: lz4)." },
  { .name = "recompress", .type = SETTING_ALGORITHM, .repeats = true,
    .values = "<NAME>[:level=<N>][:dict=<FILE>|auto]",
    .help = "For idle pages; up to three, each stronger." },
  { .name = "mem-limit", .type = SETTING_SIZE, .live = true,
    FIELD (pool.mem_limit),
    .values = "<SIZE>", .help = "Most memory to hold (default: no limit)." },
  { .name = "page-size", .type = SETTING_SIZE, .min = 4 * KIB,
    .max = 64 * KIB, .power_of_2 = true, FIELD (pool.geometry.page_size),
    .values = "<SIZE>",
    .help = "Unit of compression, 4K to 64K (default: 4K)." },
  { .name = "checksum", .type = SETTING_BOOLEAN,
    FIELD (pool.geometry.checksum),
    .values = "<BOOL>", .help = "Verify every page read (default: on)." },
  { .name = "dedup", .type = SETTING_WORD,
    .words = { { "off", DEDUP_OFF }, { "device", DEDUP_DEVICE },
               { "pool", DEDUP_POOL } },
    FIELD (pool.dedup),
    .values = "<MODE>",
    .help = "Share identical pages: off (default), device, pool." },
  { .name = "dedup-index", .type = SETTING_SIZE, .min = 1,
    .conf_min = 64 * KIB, FIELD (pool.dedup_limit),
    .values = "<SIZE>",
    .help = "Most memory to find them by (default: size/200)." },
  { .name = "policy", .type = SETTING_BOOLEAN, .live = true,
    FIELD (maintenance.policy.on),
    .values = "<BOOL>",
    .help = "Maintain pages without being told (default: on)." },
  { .name = "recompress-age", .type = SETTING_SECONDS, .live = true,
    .min = 1, .max = AGE_SECONDS_MAX,
    FIELD (maintenance.policy.recompress_age),
    .values = "<SECONDS>",
    .help = "... recompress what is idle so long (default: 300)." },
  { .name = "recompress-group", .type = SETTING_BOOLEAN, .live = true,
    FIELD (maintenance.policy.group),
    .values = "<BOOL>",
    .help = "... with its neighbours, when four times as old\n"
            "(default: on)." },
  { .name = "backing", .type = SETTING_PLACE, .repeats = true,
    .values = "<PATH>|<URI>",
    .help = "File, block device or NBD server for cold pages;\n"
            "given twice, a mirror of two servers." },
  { .name = "backing-size", .type = SETTING_SIZE, .conf_min = MIB,
    .needs = "backing", FIELD (writeback.size),
    .values = "<SIZE>", .help = "Most to use of it (required for a file)." },
  { .name = "backing-key", .type = SETTING_WORD,
    .words = { { "none", false }, { "auto", true } },
    .needs = "backing", FIELD (writeback.with_key),
    .values = "none|auto",
    .help = "Encrypt it with a key that only the pool has\n"
            "(default: none)." },
  { .name = "backing-timeout", .type = SETTING_SECONDS, .min = 1,
    .max = BACKING_TIMEOUT_MAX, .needs = "backing",
    FIELD (writeback.timeout),
    .values = "<SECONDS>",
    .help = "How long reads wait for an NBD server that is\n"
            "away (default: 30)." },
  { .name = "writeback-age", .type = SETTING_SECONDS, .live = true,
    .min = 1, .max = AGE_SECONDS_MAX,
    FIELD (maintenance.policy.writeback_age),
    .values = "<SECONDS>",
    .help = "... write back what is idle so long\n"
            "(default: 3600)." },
  { .name = "writeback-watermark", .type = SETTING_PERCENT, .live = true,
    .max = 99, FIELD (maintenance.policy.watermark),
    .values = "<PERCENT>",
    .help = "... or sooner, from this share of mem-limit on\n"
            "(default: 80); below it nothing." },
  { .name = "writeback-limit", .type = SETTING_SIZE, .live = true,
    .conf_min = MIB, .or_zero = true, .needs = "backing",
    FIELD (writeback.daily_limit),
    .values = "<SIZE>",
    .help = "Most to write back in a day (default: no limit)." },
  { .name = "maintenance-cpu", .type = SETTING_PERCENT, .live = true,
    .min = 1, .max = 100, FIELD (maintenance.cpu),
    .values = "<PERCENT>",
    .help = "... within this share of a processor (default: 10)." },
  { .name = "pool", .type = SETTING_PATH,
    .values = "<PATH>",
    .help = "Keep the pages in a file on tmpfs or hugetlbfs,\n"
            "where they outlive the server." },
  { .name = "name", .type = SETTING_TEXT,
    .values = "<NAME>",
    .help = "What the command nbdzram calls this server\n"
            "(default: zram0, or the next that is free)." },
  { .name = "control", .type = SETTING_PATH, .words = { { "off", 0 } },
    .values = "<PATH>",
    .help = "The control socket, or off (default: NAME.ctl in\n"
            "$XDG_RUNTIME_DIR/nbdzram or /run/nbdzram)." },
  { .name = "allow", .type = SETTING_TEXT, .repeats = true,
    .values = "<ADDRESS>[/<BITS>][,...]",
    .help = "Which clients may connect by TCP (default: all)." },
  { .name = "mlock", .type = SETTING_BOOLEAN, FIELD (mlock),
    .values = "<BOOL>",
    .help = "Be fit to serve swap: locked in memory, with\n"
            "real-time priority (default: if nbdkit --swap)." },
  { .name = "reserve", .type = SETTING_SIZE, .min = 64 * KIB,
    .max = 16 * GIB, FIELD (reserve),
    .values = "<SIZE>",
    .help = "... with so much memory ready for pages\n"
            "(default: size/256, from 1M to 32M)." },
  { 0 },
};

const struct setting *
setting_find_in (const struct setting *table, const char *name, size_t length)
{
  for (const struct setting *s = table; s->name; ++s)
    if (strlen (s->name) == length && memcmp (s->name, name, length) == 0)
      return s;
  return NULL;
}

const struct setting *
setting_find (const char *name, size_t length)
{
  return setting_find_in (settings, name, length);
}

const char *
setting_key (const struct setting *s, char key[SETTING_KEY_SIZE])
{
  snprintf (key, SETTING_KEY_SIZE, "%s", s->name);
  for (char *p = key; (p = strchr (p, '-')) != NULL; )
    *p = '_';
  return key;
}

const struct setting *
setting_find_live (const char *key)
{
  char own_key[SETTING_KEY_SIZE];

  for (const struct setting *s = settings; s->name; ++s)
    if (s->live && strcmp (setting_key (s, own_key), key) == 0)
      return s;
  return NULL;
}

bool
setting_is_integer (const struct setting *s)
{
  return s->type >= SETTING_WORD;
}

/* ---- values ---- */

static int __attribute__ ((format (printf, 5, 6)))
refuse_value (const struct setting *s, const char *value, char *error,
              size_t size, const char *format, ...)
{
  int length = snprintf (error, size, "%s: '%.200s' ", s->name, value);
  va_list ap;

  va_start (ap, format);
  if ((size_t) length < size)
    vsnprintf (error + length, size - (size_t) length, format, ap);
  va_end (ap);
  return fail_with (EINVAL);
}

const char *
setting_or_words (const struct setting *s, char text[SETTING_OR_WORDS_SIZE])
{
  size_t length = 0;

  text[0] = '\0';
  for (unsigned i = 0; i < SETTING_WORDS && s->words[i].name; ++i)
    length += (size_t) snprintf (text + length,
                                 SETTING_OR_WORDS_SIZE - length,
                                 ", or %s", s->words[i].name);
  return text;
}

const char *
size_text (char text[SIZE_TEXT_SIZE], uint64_t n)
{
  static const char units[] = "KMGTPE";
  const char *unit = units;

  if (n == 0 || n % KIB != 0) {
    snprintf (text, SIZE_TEXT_SIZE, "%" PRIu64 " byte%s", n,
              n == 1 ? "" : "s");
    return text;
  }
  for (n /= KIB; n % KIB == 0 && unit[1] != '\0'; n /= KIB)
    ++unit;
  snprintf (text, SIZE_TEXT_SIZE, "%" PRIu64 "%c", n, *unit);
  return text;
}

bool
setting_is_word (const struct setting *s, const char *text, int64_t *value)
{
  for (unsigned i = 0; i < SETTING_WORDS && s->words[i].name; ++i)
    if (strcmp (text, s->words[i].name) == 0) {
      *value = s->words[i].value;
      return true;
    }
  return false;
}

static bool
is_same_ascii (const char *a, const char *lower)
{
  for (; *a != '\0' && *lower != '\0'; ++a, ++lower)
    if ((*a >= 'A' && *a <= 'Z' ? *a - 'A' + 'a' : *a) != *lower)
      return false;
  return *a == *lower;
}

/* The words of nbdkit, in capital or small letters. */
static int
parse_boolean (const struct setting *s, const char *text, int64_t *value,
               char *error, size_t size)
{
  static const char *const words[] = {
    "off", "on", "no", "yes", "false", "true", "0", "1", "n", "y", "f", "t",
  };

  for (unsigned i = 0; i < ARRAY_SIZE (words); ++i)
    if (is_same_ascii (text, words[i])) {
      *value = i % 2;
      return 0;
    }
  return refuse_value (s, text, error, size, "is neither on nor off");
}

static int
parse_whole (const struct setting *s, const char *text, int64_t *value,
             char *error, size_t size)
{
  uint64_t max = s->max > 0 ? s->max : INT64_MAX, n;
  size_t length = strlen (text);
  char digits[32], words[SETTING_OR_WORDS_SIZE];

  if (s->type == SETTING_PERCENT && length > 0 && text[length - 1] == '%')
    length--;
  snprintf (digits, sizeof digits, "%.*s", (int) length, text);
  if (length >= sizeof digits || !parse_number (digits, &n) || n < s->min
      || n > max)
    return refuse_value (s, text, error, size, "is not a whole number from %"
                         PRIu64 " to %" PRIu64 "%s", s->min, max,
                         setting_or_words (s, words));
  *value = (int64_t) n;
  return 0;
}

static int
check_size (const struct setting *s, const char *text, uint64_t n,
            char *error, size_t size)
{
  char min[SIZE_TEXT_SIZE], max[SIZE_TEXT_SIZE];
  uint64_t most = s->max > 0 ? s->max : PARSE_SIZE_MAX;
  const char *kind = s->power_of_2 ? " a power of two" : "";

  if (n >= s->min && n <= most && (!s->power_of_2 || is_power_of_2 (n)))
    return 0;
  if (s->max == 0)
    return refuse_value (s, text, error, size, "is %" PRIu64 " bytes, and "
                         "must be at least %s%s", n, size_text (min, s->min),
                         "; a number without a unit is in bytes");
  return refuse_value (s, text, error, size, "is %" PRIu64 " bytes, and must "
                       "be%s from %s to %s%s", n, kind,
                       size_text (min, s->min), size_text (max, s->max),
                       n < s->min ? "; a number without a unit is in bytes"
                       : "");
}

static int
parse_bytes (const struct setting *s, const char *text, uint64_t ram,
             int64_t *value, char *error, size_t size)
{
  char why[PARSE_SIZE_ERROR], words[SETTING_OR_WORDS_SIZE];
  uint64_t n;

  if (parse_size (text, ram, &n, why, sizeof why) == -1)
    return refuse_value (s, text, error, size, "%s%s", why,
                         setting_or_words (s, words));
  if (!(n == 0 && s->or_zero)
      && check_size (s, text, n, error, size) == -1)
    return -1;
  *value = (int64_t) n;
  return 0;
}

int
setting_parse (const struct setting *s, const char *text, uint64_t ram,
               int64_t *value, char *error, size_t size)
{
  char words[SETTING_OR_WORDS_SIZE];

  if (!setting_is_integer (s) || setting_is_word (s, text, value))
    return 0;
  switch (s->type) {
  case SETTING_WORD:
    return refuse_value (s, text, error, size, "must be %s",
                         setting_or_words (s, words) + strlen (", or "));
  case SETTING_BOOLEAN:
    return parse_boolean (s, text, value, error, size);
  case SETTING_SIZE:
    return parse_bytes (s, text, ram, value, error, size);
  default:
    return parse_whole (s, text, value, error, size);
  }
}

int
setting_parse_conf (const struct setting *s, const char *text, uint64_t ram,
                    int64_t *value, char *error, size_t size)
{
  struct setting strict = *s;

  strict.min = MAX (s->min, s->conf_min);
  return setting_parse (&strict, text, ram, value, error, size);
}

/* ---- fields ---- */

void
setting_set_field (void *base, const struct setting *s, int64_t value)
{
  char *field = (char *) base + s->offset;
  int word = (int) value;
  bool flag = value != 0;

  if (s->bytes == sizeof flag)
    memcpy (field, &flag, sizeof flag);
  else if (s->bytes == sizeof word)
    memcpy (field, &word, sizeof word);
  else
    memcpy (field, &value, sizeof value);
}

int64_t
setting_get_field (const void *base, const struct setting *s)
{
  const char *field = (const char *) base + s->offset;
  int64_t value;
  int word;
  bool flag;

  if (s->bytes == sizeof flag) {
    memcpy (&flag, field, sizeof flag);
    return flag;
  }
  if (s->bytes == sizeof word) {
    memcpy (&word, field, sizeof word);
    return word;
  }
  memcpy (&value, field, sizeof value);
  return value;
}

/* ---- help ---- */

#define HELP_COLUMN 26

static char *
append_line (char *at, char *end, const char *line, size_t length, int indent)
{
  at += snprintf (at, (size_t) (end - at), "%*s%.*s\n", indent, "",
                  (int) length, line);
  return MIN (at, end);
}

void
settings_help (char text[SETTINGS_HELP_SIZE])
{
  char *at = text, *end = text + SETTINGS_HELP_SIZE;

  for (const struct setting *s = settings; s->name; ++s) {
    const char *format = s == settings ? "[%s=]%s" : "%s=%s";
    const char *line = s->help;
    int width = snprintf (at, (size_t) (end - at), format, s->name,
                          s->values);

    at = MIN (at + width, end);
    if (width >= HELP_COLUMN) {
      at = append_line (at, end, "", 0, 0);
      width = 0;
    }
    for (;;) {
      size_t length = strcspn (line, "\n");

      at = append_line (at, end, line, length, HELP_COLUMN - width);
      if (line[length] == '\0')
        break;
      line += length + 1;
      width = 0;
    }
  }
  /* nbdkit ends the last line. */
  if (at > text && at[-1] == '\n')
    at[-1] = '\0';
}
