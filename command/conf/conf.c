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
#include "service/parse-size.h"
#include "service/settings.h"

#include "conf.h"
#include "internal.h"

/* The kernel's client counts in blocks of this size. */
#define DISK_SIZE_UNIT 4096

/* A smaller size is probably an error: zram-generator, whose files look
 * alike, counts in megabytes.
 */
#define DISK_SIZE_MIN MIB

/* Memory does not compress better than that on average, and the tables of such
 * a disk, which are locked, take 4 % of it.
 */
#define SWAP_RATIO_MAX 16

/* More swap is not useful, however large the backing file is. */
#define SWAP_RAM_MAX 64

/* Seconds.  A request may wait two seconds for memory in the server, which
 * must not execute it after the kernel has given it up.
 */
#define TIMEOUT_MIN 3

#define FIELD(f)                                                        \
  .offset = offsetof (struct conf, f),                                  \
  .bytes = sizeof (((struct conf *) NULL)->f)

/* The keys that are fields of struct conf, in the order of nbdzram.conf(5).
 * All other keys are parameters of the server, in the table of settings.
 */
const struct setting conf_fields[] = {
  { .name = "size", .type = SETTING_SIZE, .min = DISK_SIZE_MIN,
    .max = DISK_SIZE_MAX, FIELD (size) },

  { .name = "pool", .type = SETTING_PATH, FIELD (pool) },
  { .name = "listen", .type = SETTING_TEXT, FIELD (listen) },
  { .name = "tls-certificates", .type = SETTING_PATH,
    FIELD (tls_certificates) },
  { .name = "tls-psk", .type = SETTING_PATH, FIELD (tls_psk) },
  { .name = "threads", .type = SETTING_NUMBER, .min = 1,
    .max = CONF_THREADS_MAX, FIELD (threads), .words = { { "auto", 0 } } },

  { .name = "priority", .type = SETTING_NUMBER, .max = 32767,
    FIELD (priority), .words = { { "auto", CONF_KEEP } } },
  { .name = "remote", .type = SETTING_TEXT, .repeats = true,
    FIELD (remotes) },
  { .name = "mirror", .type = SETTING_BOOLEAN, FIELD (mirror) },
  { .name = "stripe", .type = SETTING_BOOLEAN, FIELD (stripe) },
  { .name = "attach-only", .type = SETTING_BOOLEAN, FIELD (attach_only) },
  { .name = "block-size", .type = SETTING_SIZE, .min = CONF_SECTOR_SIZE,
    .max = CONF_BLOCK_SIZE_MAX, FIELD (block_size),
    .words = { { "auto", 0 } } },
  { .name = "force", .type = SETTING_BOOLEAN, FIELD (force) },
  { .name = "connections", .type = SETTING_NUMBER, .min = 2,
    .max = CONF_CONNECTIONS_MAX, FIELD (connections) },
  { .name = "timeout", .type = SETTING_SECONDS, .min = TIMEOUT_MIN,
    .max = CONF_TIMEOUT_MAX, FIELD (timeout) },
  { .name = "dead-timeout", .type = SETTING_SECONDS, .min = 30,
    .max = CONF_DEAD_TIMEOUT_MAX, FIELD (dead_timeout) },
  { .name = "page-cluster", .type = SETTING_NUMBER, .max = 9,
    FIELD (page_cluster), .words = { { "keep", CONF_KEEP } } },
  { .name = "swappiness", .type = SETTING_NUMBER, .max = 200,
    FIELD (swappiness), .words = { { "keep", CONF_KEEP } } },
  { .name = "min-free", .type = SETTING_SIZE, .min = MIB,
    .max = PARSE_SIZE_EXPRESSION_MAX, FIELD (min_free),
    .words = { { "keep", CONF_KEEP }, { "auto", CONF_CHOOSE } } },
  { 0 },
};

#define FIELDS (ARRAY_SIZE (conf_fields) - 1)

/* The name of the file says what the server is called and where its control
 * socket is.
 */
static bool
follows_from_name (const char *key)
{
  return strcmp (key, "name") == 0 || strcmp (key, "control") == 0;
}

static const struct setting *
find_field (const char *key)
{
  const struct setting *e = conf_fields;

  while (e->name && strcmp (e->name, key) != 0)
    ++e;
  return e->name ? e : NULL;
}

const char *
conf_key (size_t n, bool *plugin)
{
  *plugin = n >= FIELDS;
  if (n < FIELDS)
    return conf_fields[n].name;
  n -= FIELDS;
  for (const struct setting *s = settings; s->name; ++s)
    if (!follows_from_name (s->name) && !find_field (s->name) && n-- == 0)
      return s->name;
  return NULL;
}

const struct setting *
conf_entry (const char *key)
{
  const struct setting *e = find_field (key);

  if (e || follows_from_name (key))
    return e;
  return setting_find (key, strlen (key));
}

/* Does E go to the server, rather than to a field of struct conf? */
static bool
is_of_server (const struct setting *e)
{
  return find_field (e->name) == NULL;
}

uint64_t
conf_entry_bit (const struct setting *e)
{
  return UINT64_C (1) << (is_of_server (e) ? FIELDS + (size_t) (e - settings)
                          : (size_t) (e - conf_fields));
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

/* Checks the size in the value of an export, which the server parses, as
 * that of a disk.
 */
static int
check_export (const struct conf *c, const char *value, char *error,
              size_t size)
{
  const char *found = strstr (value, ":size=");
  char text[CONF_VALUE_MAX + 1], why[PARSE_SIZE_ERROR];
  char min[SIZE_TEXT_SIZE], max[SIZE_TEXT_SIZE];
  uint64_t n;

  if (!found)
    return 0;
  found += strlen (":size=");
  snprintf (text, sizeof text, "%.*s", (int) strcspn (found, ":"), found);
  if (parse_size (text, c->ram, &n, why, sizeof why) == -1
      || n >= DISK_SIZE_MIN)
    return 0;
  return refuse (EINVAL, error, size, "export: '%s' is %" PRIu64 " bytes, "
                 "and must be from %s to %s; a number without a unit is in "
                 "bytes", value, n, size_text (min, DISK_SIZE_MIN),
                 size_text (max, DISK_SIZE_MAX));
}

static bool
is_word (const struct setting *e, const char *value)
{
  for (unsigned i = 0; i < SETTING_WORDS && e->words[i].name; ++i)
    if (strcmp (value, e->words[i].name) == 0)
      return true;
  return false;
}

/* A path must be absolute: the server has another directory. */
static int
check_path (const struct setting *e, const char *value, char *error,
            size_t size)
{
  char words[SETTING_OR_WORDS_SIZE];

  if ((e->type == SETTING_PATH
       || (e->type == SETTING_PLACE && !strstr (value, "://")))
      && value[0] != '/' && !is_word (e, value))
    return refuse (EINVAL, error, size, "%s: '%s' is no path that begins "
                   "with a slash%s", e->name, value,
                   setting_or_words (e, words));
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

/* Sets the field of E, an integer, to VALUE. */
static void
set_field (struct conf *c, const struct setting *e, int64_t value)
{
  char *field = (char *) c + e->offset;
  int number = (int) value;

  if (e->bytes == sizeof number)
    memcpy (field, &number, sizeof number);
  else
    memcpy (field, &value, sizeof value);
}

int64_t
conf_get_field (const struct conf *c, const struct setting *e)
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
set_text_value (struct conf *c, const struct setting *e, bool first,
                const char *value, char *error, size_t size)
{
  if (is_of_server (e)) {
    if (first || !e->repeats)
      remove_parameter (c, e->name);
    return add_parameter (c, e->name, value, error, size);
  }
  if (e->repeats)
    return add_remote (c, first, value, error, size);
  return set_text ((char **) (void *) ((char *) c + e->offset), value, error,
                   size);
}

/* Numbers and sizes go to the server as digits: it needs no units then. */
static int
set_integer (struct conf *c, const struct setting *e, const char *value,
             char *error, size_t size)
{
  char digits[32];
  int64_t n = 0;

  if (setting_parse_conf (e, value, c->ram, &n, error, size) == -1)
    return -1;
  if (!is_of_server (e)) {
    if (strcmp (e->name, "size") == 0)
      n = (int64_t) align_down ((uint64_t) n, DISK_SIZE_UNIT);
    set_field (c, e, n);
    return 0;
  }
  if (e->type == SETTING_BOOLEAN || e->type == SETTING_WORD)
    return set_text_value (c, e, true, value, error, size);
  snprintf (digits, sizeof digits, "%" PRId64, n);
  return set_text_value (c, e, true, digits, error, size);
}

/* Checks that a file can hold VALUE unchanged (see conf.h), and JSON, too: a
 * supervisor leaves the values in JSON for the next one.
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
  const struct setting *e = conf_entry (key);
  bool first;

  if (follows_from_name (key))
    return refuse (EINVAL, error, size, "%s: follows from what the disk is "
                   "called, as does its file", key);
  if (!e)
    return refuse (EINVAL, error, size, "unknown key '%s'", key);
  if (check_writable (key, value, error, size) == -1
      || check_path (e, value, error, size) == -1
      || (strcmp (key, "export") == 0
          && check_export (c, value, error, size) == -1))
    return -1;
  first = (c->seen & conf_entry_bit (e)) == 0;
  c->seen |= conf_entry_bit (e);
  if (setting_is_integer (e))
    return set_integer (c, e, value, error, size);
  return set_text_value (c, e, first, value, error, size);
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

/* ---- all settings ---- */

const char *
conf_parameter (const struct conf *c, const char *key)
{
  for (size_t i = 0; i < c->parameter_count; ++i)
    if (is_parameter (c->parameters[i], key))
      return c->parameters[i] + strlen (key) + 1;
  return NULL;
}

static uint64_t
parameter_number (const struct conf *c, const char *key)
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

/* The message names the file where the user can set the size. */
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
                                    + parameter_number (c, "backing-size"));

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

/* Is each parameter there without which another one is an error? */
static int
check_needs (const struct conf *c, char *error, size_t size)
{
  for (const struct setting *s = settings; s->name; ++s)
    if (s->needs && parameter_number (c, s->name) > 0
        && !conf_parameter (c, s->needs))
      return refuse (EINVAL, error, size, "%s requires %s", s->name,
                     s->needs);
  return 0;
}

int
conf_check (const struct conf *c, bool swap, char *error, size_t size)
{
  if (c->remote_count > 0 && check_remote (c, error, size) == -1)
    return -1;
  if (c->remote_count == 0 && c->size == 0 && !conf_has_exports (c))
    return refuse_without_size (c, error, size);
  if (check_needs (c, error, size) == -1)
    return -1;
  if (check_array (c, error, size) == -1
      || check_tls (c, swap, error, size) == -1)
    return -1;
  return swap ? check_swap (c, error, size) : 0;
}
