/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/utf8.h"
#include "lib/base/util.h"
#include "service/control-path.h"
#include "service/parse-number.h"
#include "service/parse-size.h"

#include "conf.h"
#include "internal.h"

/* The kernel's client counts in blocks of this size. */
#define DISK_SIZE_UNIT 4096

/* A smaller one is a slip of the pen: zram-generator, whose files look
 * alike, counts in megabytes.
 */
#define DISK_SIZE_MIN MIB

/* No memory compresses better than that on the average, and the tables of
 * such a disk, which are locked, take 4 % of it.
 */
#define SWAP_RATIO_MAX 16

/* Nor is swap useful beyond that, however large the backing file is. */
#define SWAP_RAM_MAX 64

/* Seconds.  A server keeps a request waiting up to two for room, and must
 * not execute it after the kernel has given it up.
 */
#define TIMEOUT_MIN 3

#define WORDS_SIZE 32

#define FIELD(f)                                                        \
  .offset = offsetof (struct conf, f),                                  \
  .bytes = sizeof (((struct conf *) NULL)->f)

const struct conf_entry conf_entries[] = {
  /* In the order of nbdzram.conf(5). */
  { .name = "size", .kind = CONF_SIZE, .min = DISK_SIZE_MIN,
    .max = DISK_SIZE_MAX, .unit = DISK_SIZE_UNIT, FIELD (size) },
  { .name = "export", .kind = CONF_TEXT, .repeats = true },
  { .name = "exports", .kind = CONF_PATH, .words = { { "auto", 0 } } },
  { .name = "max-exports", .kind = CONF_NUMBER },
  { .name = "export-size", .kind = CONF_SIZE, .min = DISK_SIZE_MIN },
  { .name = "export-quota", .kind = CONF_SIZE },
  { .name = "algorithm", .kind = CONF_TEXT },
  { .name = "recompress", .kind = CONF_TEXT, .repeats = true },
  { .name = "mem-limit", .kind = CONF_SIZE },
  { .name = "page-size", .kind = CONF_SIZE },
  { .name = "checksum", .kind = CONF_BOOL },
  { .name = "dedup", .kind = CONF_TEXT },
  { .name = "dedup-index", .kind = CONF_SIZE, .min = 64 * KIB },
  { .name = "policy", .kind = CONF_BOOL },
  { .name = "recompress-age", .kind = CONF_NUMBER },
  { .name = "recompress-group", .kind = CONF_BOOL },
  { .name = "backing", .kind = CONF_PLACE, .repeats = true },
  { .name = "backing-size", .kind = CONF_SIZE, .min = MIB },
  { .name = "backing-timeout", .kind = CONF_NUMBER },
  { .name = "writeback-age", .kind = CONF_NUMBER },
  { .name = "writeback-watermark", .kind = CONF_PERCENT },
  { .name = "writeback-limit", .kind = CONF_SIZE, .min = MIB,
    .or_zero = true },
  { .name = "maintenance-cpu", .kind = CONF_PERCENT },
  { .name = "allow", .kind = CONF_TEXT, .repeats = true },
  { .name = "mlock", .kind = CONF_BOOL },
  { .name = "reserve", .kind = CONF_SIZE },

  { .name = "pool", .kind = CONF_PATH, FIELD (pool) },
  { .name = "listen", .kind = CONF_TEXT, FIELD (listen) },
  { .name = "tls-certificates", .kind = CONF_PATH,
    FIELD (tls_certificates) },
  { .name = "tls-psk", .kind = CONF_PATH, FIELD (tls_psk) },
  { .name = "threads", .kind = CONF_NUMBER, .min = 1, .max = CONF_THREADS_MAX,
    FIELD (threads), .words = { { "auto", 0 } } },

  { .name = "priority", .kind = CONF_NUMBER, .max = 32767, FIELD (priority),
    .words = { { "auto", CONF_KEEP } } },
  { .name = "remote", .kind = CONF_TEXT, .repeats = true, FIELD (remotes) },
  { .name = "mirror", .kind = CONF_BOOL, FIELD (mirror) },
  { .name = "stripe", .kind = CONF_BOOL, FIELD (stripe) },
  { .name = "attach-only", .kind = CONF_BOOL, FIELD (attach_only) },
  { .name = "block-size", .kind = CONF_SIZE, .min = CONF_SECTOR_SIZE,
    .max = CONF_BLOCK_SIZE_MAX, FIELD (block_size),
    .words = { { "auto", 0 } } },
  { .name = "force", .kind = CONF_BOOL, FIELD (force) },
  { .name = "connections", .kind = CONF_NUMBER, .min = 2,
    .max = CONF_CONNECTIONS_MAX, FIELD (connections) },
  { .name = "timeout", .kind = CONF_NUMBER, .min = TIMEOUT_MIN,
    .max = CONF_TIMEOUT_MAX, FIELD (timeout) },
  { .name = "dead-timeout", .kind = CONF_NUMBER, .min = 30,
    .max = CONF_DEAD_TIMEOUT_MAX, FIELD (dead_timeout) },
  { .name = "page-cluster", .kind = CONF_NUMBER, .max = 9,
    FIELD (page_cluster), .words = { { "keep", CONF_KEEP } } },
  { .name = "swappiness", .kind = CONF_NUMBER, .max = 200, FIELD (swappiness),
    .words = { { "keep", CONF_KEEP } } },
  { .name = "min-free", .kind = CONF_SIZE, .min = MIB, FIELD (min_free),
    .words = { { "keep", CONF_KEEP }, { "auto", CONF_CHOOSE } } },
  { 0 },
};

_Static_assert (ARRAY_SIZE (conf_entries) - 1 <= 64, "a bit each in seen");

const char *
conf_key (size_t n, bool *plugin)
{
  if (n >= ARRAY_SIZE (conf_entries) - 1)
    return NULL;
  *plugin = conf_entries[n].bytes == 0;
  return conf_entries[n].name;
}

const struct conf_entry *
conf_entry (const char *key)
{
  const struct conf_entry *e = conf_entries;

  while (e->name && strcmp (e->name, key) != 0)
    ++e;
  return e->name ? e : NULL;
}

uint64_t
conf_entry_bit (const struct conf_entry *e)
{
  return UINT64_C (1) << (e - conf_entries);
}

/* ---- life ---- */

void
conf_init (struct conf *c)
{
  *c = (struct conf) {
    .ram = machine_ram (),
    .priority = 100,
    .connections = 2,
    .timeout = TIMEOUT_MIN,
    .dead_timeout = 300,
    .page_cluster = 0,
    .swappiness = 150,
    .min_free = CONF_CHOOSE,
  };
}

void
conf_free (struct conf *c)
{
  for (size_t i = 0; i < c->parameter_count; ++i)
    free (c->parameters[i]);
  free (c->parameters);
  for (size_t i = 0; i < c->remote_count; ++i)
    free (c->remotes[i]);
  free (c->pool);
  free (c->listen);
  free (c->tls_certificates);
  free (c->tls_psk);
  free (c->file);
  *c = (struct conf) { .size = 0 };
}

void
conf_new_layer (struct conf *c)
{
  c->seen = 0;
}

/* ---- errors ---- */

static int __attribute__ ((format (printf, 4, 5)))
refuse (int err, char *error, size_t size, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vsnprintf (error, size, format, ap);
  va_end (ap);
  errno = err;
  return -1;
}

static int
out_of_memory (char *error, size_t size)
{
  return refuse (ENOMEM, error, size, "%s", strerror (ENOMEM));
}

/* ---- values ---- */

/* 1, 0, or -1: it is none. */
static int
bool_of (const char *value)
{
  static const char *const words[] = {
    "off", "on", "false", "true", "no", "yes", "0", "1",
  };

  for (unsigned i = 0; i < ARRAY_SIZE (words); ++i)
    if (strcmp (value, words[i]) == 0)
      return i % 2;
  return -1;
}

/* ", or WORD, or WORD": what else could be said than a number. */
static const char *
or_words (const struct conf_entry *e, char words[WORDS_SIZE])
{
  size_t length = 0;

  words[0] = '\0';
  for (unsigned i = 0; i < CONF_WORDS && e->words[i].name; ++i)
    length += (size_t) snprintf (words + length, WORDS_SIZE - length,
                                 ", or %s", e->words[i].name);
  return words;
}

static int
refuse_number (const struct conf_entry *e, const char *value, char *error,
               size_t size)
{
  char words[WORDS_SIZE];

  return refuse (EINVAL, error, size,
                 "%s: '%s' is not a whole number from %" PRIu64 " to %"
                 PRIu64 "%s", e->name, value, e->min, conf_entry_max (e),
                 or_words (e, words));
}

static int
take_number (const struct conf_entry *e, const char *value, uint64_t *n,
             char *error, size_t size)
{
  char digits[32];
  size_t length = strlen (value);

  if (e->kind == CONF_PERCENT && length > 0 && value[length - 1] == '%')
    length--;
  if (length >= sizeof digits)
    return refuse_number (e, value, error, size);
  memcpy (digits, value, length);
  digits[length] = '\0';
  if (parse_number (digits, n) && *n >= e->min && *n <= conf_entry_max (e))
    return 0;
  return refuse_number (e, value, error, size);
}

/* "1M", or "4097 bytes". */
static const char *
size_text (char text[WORDS_SIZE], uint64_t n)
{
  static const char units[] = "KMGTP";
  const char *unit = units;

  if (n == 0 || n % KIB != 0) {
    snprintf (text, WORDS_SIZE, "%" PRIu64 " bytes", n);
    return text;
  }
  for (n /= KIB; n % KIB == 0 && unit[1] != '\0'; n /= KIB)
    ++unit;
  snprintf (text, WORDS_SIZE, "%" PRIu64 "%c", n, *unit);
  return text;
}

static int
refuse_size (const struct conf_entry *e, const char *value, uint64_t n,
             char *error, size_t size)
{
  char min[WORDS_SIZE], max[WORDS_SIZE];

  return refuse (EINVAL, error, size, "%s: '%s' is %" PRIu64 " bytes, and "
                 "must be from %s to %s%s", e->name, value, n,
                 size_text (min, e->min), size_text (max, conf_entry_max (e)),
                 n < e->min ? "; a number without a unit is in bytes" : "");
}

static int
take_size (const struct conf *c, const struct conf_entry *e,
           const char *value, uint64_t *n, char *error, size_t size)
{
  char why[PARSE_SIZE_ERROR], words[WORDS_SIZE];

  if (parse_size (value, c->ram, n, why, sizeof why) == -1)
    return refuse (EINVAL, error, size, "%s: '%s' %s%s", e->name, value, why,
                   or_words (e, words));
  if (e->unit > 0)
    *n = align_down (*n, e->unit);
  if ((*n >= e->min && *n <= conf_entry_max (e)) || (*n == 0 && e->or_zero))
    return 0;
  return refuse_size (e, value, *n, error, size);
}

/* The size in the value of an export, which the plugin parses, as one of a
 * disk.
 */
static int
check_export (const struct conf *c, const char *value, char *error, size_t size)
{
  const char *found = strstr (value, ":size=");
  const struct conf_entry entry = {
    .name = "export", .min = DISK_SIZE_MIN, .max = DISK_SIZE_MAX,
  };
  char text[CONF_VALUE_MAX + 1], why[PARSE_SIZE_ERROR];
  uint64_t n;

  if (!found)
    return 0;
  found += strlen (":size=");
  snprintf (text, sizeof text, "%.*s", (int) strcspn (found, ":"), found);
  if (parse_size (text, c->ram, &n, why, sizeof why) == -1 || n >= entry.min)
    return 0;
  return refuse_size (&entry, value, n, error, size);
}

static bool
is_word (const struct conf_entry *e, const char *value)
{
  for (unsigned i = 0; i < CONF_WORDS && e->words[i].name; ++i)
    if (strcmp (value, e->words[i].name) == 0)
      return true;
  return false;
}

static int
check_text (const struct conf_entry *e, const char *value, char *error,
            size_t size)
{
  char words[WORDS_SIZE];

  if (e->kind == CONF_BOOL && bool_of (value) == -1)
    return refuse (EINVAL, error, size, "%s: '%s' is neither on nor off",
                   e->name, value);
  if ((e->kind == CONF_PATH
       || (e->kind == CONF_PLACE && !strstr (value, "://")))
      && value[0] != '/' && !is_word (e, value))
    return refuse (EINVAL, error, size, "%s: '%s' is no path that begins "
                   "with a slash%s", e->name, value, or_words (e, words));
  return 0;
}

/* ---- settings ---- */

static int
set_text (char **text, const char *value, char *error, size_t size)
{
  char *copy = strdup (value);

  if (!copy)
    return out_of_memory (error, size);
  free (*text);
  *text = copy;
  return 0;
}

static int
add_remote (struct conf *c, bool first, const char *value, char *error,
            size_t size)
{
  for (; first && c->remote_count > 0; --c->remote_count) {
    free (c->remotes[c->remote_count - 1]);
    c->remotes[c->remote_count - 1] = NULL;
  }
  if (c->remote_count == CONF_REMOTES_MAX)
    return refuse (EINVAL, error, size, "remote: at most %d of them",
                   CONF_REMOTES_MAX);
  if (set_text (&c->remotes[c->remote_count], value, error, size) == -1)
    return -1;
  c->remote_count++;
  return 0;
}

/* VALUE of a field of struct conf. */
static void
set_field (struct conf *c, const struct conf_entry *e, int64_t value)
{
  char *field = (char *) c + e->offset;
  int number = (int) value;

  if (e->bytes == sizeof number)
    memcpy (field, &number, sizeof number);
  else
    memcpy (field, &value, sizeof value);
}

int64_t
conf_get_field (const struct conf *c, const struct conf_entry *e)
{
  const char *field = (const char *) c + e->offset;
  int64_t value;
  int number;

  if (e->bytes == sizeof value) {
    memcpy (&value, field, sizeof value);
    return value;
  }
  memcpy (&number, field, sizeof number);
  return number;
}

static bool
is_parameter (const char *parameter, const char *key)
{
  size_t length = strlen (key);

  return strncmp (parameter, key, length) == 0 && parameter[length] == '=';
}

static void
remove_parameter (struct conf *c, const char *key)
{
  size_t kept = 0;

  for (size_t i = 0; i < c->parameter_count; ++i)
    if (is_parameter (c->parameters[i], key))
      free (c->parameters[i]);
    else
      c->parameters[kept++] = c->parameters[i];
  c->parameter_count = kept;
}

static int
add_parameter (struct conf *c, const char *key, const char *value,
               char *error, size_t size)
{
  char **more = reallocarray (c->parameters, c->parameter_count + 1,
                              sizeof *more);

  if (!more)
    return out_of_memory (error, size);
  c->parameters = more;
  if (asprintf (&more[c->parameter_count], "%s=%s", key, value) == -1)
    return out_of_memory (error, size);
  c->parameter_count++;
  return 0;
}

static int
set_value (struct conf *c, const struct conf_entry *e, bool first,
           const char *value, char *error, size_t size)
{
  if (e->bytes == 0) {
    if (first || !e->repeats)
      remove_parameter (c, e->name);
    return add_parameter (c, e->name, value, error, size);
  }
  if (e->repeats)
    return add_remote (c, first, value, error, size);
  return set_text ((char **) (void *) ((char *) c + e->offset), value, error,
                   size);
}

static int
set_number (struct conf *c, const struct conf_entry *e, const char *value,
            char *error, size_t size)
{
  char bytes[32];
  uint64_t n;

  for (unsigned i = 0; i < CONF_WORDS && e->words[i].name; ++i)
    if (strcmp (value, e->words[i].name) == 0) {
      set_field (c, e, e->words[i].value);
      return 0;
    }
  if ((e->kind == CONF_SIZE ? take_size (c, e, value, &n, error, size)
       : take_number (e, value, &n, error, size)) == -1)
    return -1;
  if (e->bytes == 0) {
    snprintf (bytes, sizeof bytes, "%" PRIu64, n);
    return set_value (c, e, true, bytes, error, size);
  }
  set_field (c, e, (int64_t) n);
  return 0;
}

/* What a file can hold as it is: see conf.h; and JSON, by which a supervisor
 * finds what the one before it has left.
 */
static int
check_writable (const char *key, const char *value, char *error, size_t size)
{
  if (value[0] == '\0')
    return refuse (EINVAL, error, size, "%s: the value is missing", key);
  if (strlen (value) > CONF_VALUE_MAX)
    return refuse (EINVAL, error, size, "%s: the value has more than %d "
                   "bytes", key, CONF_VALUE_MAX);
  for (const char *s = value; *s; ++s)
    if ((unsigned char) *s < ' ' || *s == 127
        || ((s == value || s[-1] == ' ') && (*s == '#' || *s == ';')))
      return refuse (EINVAL, error, size, "%s: the value has a character "
                     "that has no place there", key);
  if (!is_utf8 (value))
    return refuse (EINVAL, error, size, "%s: the value is not UTF-8", key);
  if (value[0] == ' ' || value[strlen (value) - 1] == ' ')
    return refuse (EINVAL, error, size, "%s: the value has a blank around it",
                   key);
  return 0;
}

int
conf_set (struct conf *c, const char *key, const char *value, char *error,
          size_t size)
{
  const struct conf_entry *e = conf_entry (key);
  bool first;

  if (!e && (strcmp (key, "name") == 0 || strcmp (key, "control") == 0))
    return refuse (EINVAL, error, size, "%s: follows from what the disk is "
                   "called, as does its file", key);
  if (!e)
    return refuse (EINVAL, error, size, "unknown key '%s'", key);
  if (check_writable (key, value, error, size) == -1
      || check_text (e, value, error, size) == -1
      || (strcmp (key, "export") == 0
          && check_export (c, value, error, size) == -1))
    return -1;
  first = (c->seen & conf_entry_bit (e)) == 0;
  c->seen |= conf_entry_bit (e);
  if (e->kind == CONF_SIZE || e->kind == CONF_NUMBER
      || e->kind == CONF_PERCENT)
    return set_number (c, e, value, error, size);
  if (e->kind == CONF_BOOL && e->bytes > 0) {
    set_field (c, e, bool_of (value));
    return 0;
  }
  return set_value (c, e, first, value, error, size);
}

int
conf_set_word (struct conf *c, const char *word, char *error, size_t size)
{
  const char *equals = strchr (word, '=');
  char key[64];

  if (!equals || equals == word)
    return refuse (EINVAL, error, size, "'%s' is not KEY=VALUE", word);
  if ((size_t) (equals - word) >= sizeof key)
    return refuse (EINVAL, error, size, "unknown key '%.*s'",
                   (int) (equals - word), word);
  memcpy (key, word, (size_t) (equals - word));
  key[equals - word] = '\0';
  return conf_set (c, key, equals + 1, error, size);
}

/* ---- the whole ---- */

const char *
conf_parameter (const struct conf *c, const char *key)
{
  for (size_t i = 0; i < c->parameter_count; ++i)
    if (is_parameter (c->parameters[i], key))
      return c->parameters[i] + strlen (key) + 1;
  return NULL;
}

static uint64_t
parameter_bytes (const struct conf *c, const char *key)
{
  const char *value = conf_parameter (c, key);

  return value ? strtoull (value, NULL, 10) : 0;
}

bool
conf_has_tls (const struct conf *c)
{
  return c->tls_certificates || c->tls_psk;
}

bool
conf_has_exports (const struct conf *c)
{
  return conf_parameter (c, "export") || conf_parameter (c, "exports");
}

bool
conf_is_open (const struct conf *c)
{
  if (conf_has_tls (c) || conf_parameter (c, "allow"))
    return false;
  if (c->size > 0 || conf_parameter (c, "exports"))
    return true;
  for (size_t i = 0; i < c->parameter_count; ++i)
    if (is_parameter (c->parameters[i], "export")
        && !strstr (c->parameters[i], ":allow="))
      return true;
  return false;
}

/* Without a size, the file that could have said it is what one needs to
 * know.
 */
static int
refuse_without_size (const struct conf *c, char *error, size_t size)
{
  if (c->file_missing)
    return refuse (EINVAL, error, size, "the size is missing, and there is "
                   "no %s; create it with two lines, for example "
                   "'size = ram / 2' and 'algorithm = lz4'", c->file);
  return refuse (EINVAL, error, size, "the size is missing%s%s: size = 4G, "
                 "or size = ram / 2", c->file ? " in " : "",
                 c->file ? c->file : "");
}

static int
check_remote (const struct conf *c, char *error, size_t size)
{
  const struct {
    const char *key, *value;
  } local[] = {
    { "pool", c->pool }, { "listen", c->listen },
    { "tls-certificates", c->tls_certificates }, { "tls-psk", c->tls_psk },
  };

  if (c->size > 0)
    return refuse (EINVAL, error, size, "size and remote: a remote disk has "
                   "the size that its server gives it");
  if (c->parameter_count > 0)
    return refuse (EINVAL, error, size, "%.*s and remote: one is of a server "
                   "here, the other of one elsewhere",
                   (int) strcspn (c->parameters[0], "="), c->parameters[0]);
  for (size_t i = 0; i < ARRAY_SIZE (local); ++i)
    if (local[i].value)
      return refuse (EINVAL, error, size, "%s and remote: one is of a server "
                     "here, the other of one elsewhere", local[i].key);
  return 0;
}

static int
check_array (const struct conf *c, char *error, size_t size)
{
  if (c->mirror && c->stripe)
    return refuse (EINVAL, error, size, "mirror and stripe: several servers "
                   "are one of them");
  if ((c->mirror || c->stripe) && c->remote_count < 2)
    return refuse (EINVAL, error, size, "%s: of two servers at least, each "
                   "a remote", c->mirror ? "mirror" : "stripe");
  return 0;
}

static int
check_tls (const struct conf *c, bool swap, char *error, size_t size)
{
  if (c->tls_certificates && c->tls_psk)
    return refuse (EINVAL, error, size, "tls-certificates and tls-psk: a "
                   "server knows its clients by one of them");
  if (swap && conf_has_tls (c))
    return refuse (EINVAL, error, size, "%s: the kernel, which swaps, knows "
                   "no TLS", c->tls_psk ? "tls-psk" : "tls-certificates");
  return 0;
}

static int
check_swap (const struct conf *c, char *error, size_t size)
{
  uint64_t most = SWAP_RATIO_MAX * (c->ram
                                    + parameter_bytes (c, "backing-size"));

  if (c->ram > 0 && c->remote_count == 0
      && c->size > MIN (most, SWAP_RAM_MAX * c->ram))
    return most < SWAP_RAM_MAX * c->ram
      ? refuse (EINVAL, error, size, "size: %" PRIu64 "M of swap is more "
                "than %d times what there is to keep it in: at most %"
                PRIu64 "M", c->size / MIB, SWAP_RATIO_MAX, most / MIB)
      : refuse (EINVAL, error, size, "size: %" PRIu64 "M of swap is more "
                "than %d times the memory: at most %" PRIu64 "M",
                c->size / MIB, SWAP_RAM_MAX, SWAP_RAM_MAX * c->ram / MIB);
  if (c->ram > 0 && c->min_free > (int64_t) (c->ram / 4))
    return refuse (EINVAL, error, size, "min-free: %" PRIu64 "M is more than "
                   "a quarter of the memory (%" PRIu64 "M)",
                   (uint64_t) c->min_free / MIB, c->ram / MIB);
  if (!is_power_of_2 (conf_block_size (c)))
    return refuse (EINVAL, error, size, "block-size: %" PRIu64 " is not 512, "
                   "1024, 2048 or 4096", conf_block_size (c));
  if (!c->attach_only && conf_block_size (c) != DISK_SIZE_UNIT)
    return refuse (EINVAL, error, size, "block-size: swap has blocks of 4096 "
                   "bytes; others are for attach-only");
  if (c->dead_timeout <= c->timeout)
    return refuse (EINVAL, error, size, "dead-timeout: must be more than "
                   "timeout");
  return 0;
}

int
conf_check (const struct conf *c, bool swap, char *error, size_t size)
{
  if (c->remote_count > 0 && check_remote (c, error, size) == -1)
    return -1;
  if (c->remote_count == 0 && c->size == 0 && !conf_has_exports (c))
    return refuse_without_size (c, error, size);
  if (conf_parameter (c, "backing-size") && !conf_parameter (c, "backing"))
    return refuse (EINVAL, error, size, "backing-size says something about "
                   "backing, which is missing");
  if (check_array (c, error, size) == -1
      || check_tls (c, swap, error, size) == -1)
    return -1;
  return swap ? check_swap (c, error, size) : 0;
}
