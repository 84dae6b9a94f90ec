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
#include "service/parse-size.h"
#include "service/set-error.h"
#include "service/settings.h"

#include "conf.h"
#include "internal.h"

/* A smaller size is probably an error: zram-generator, whose files look
 * alike, counts in megabytes.
 */
#define DISK_SIZE_MIN MIB

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
    .max = DISK_SIZE_MAX, FIELD (size),
    .help = "Size of the disk, up to 1P; required, unless it is remote." },

  { .name = "pool", .type = SETTING_PATH, FIELD (pool),
    .help = "Keep the pages in a file on tmpfs or hugetlbfs." },
  { .name = "listen", .type = SETTING_TEXT, FIELD (listen),
    .help = "Address or socket where the server is reached." },
  { .name = "tls-certificates", .type = SETTING_PATH,
    FIELD (tls_certificates),
    .help = "Directory of certificates for TLS." },
  { .name = "tls-psk", .type = SETTING_PATH, FIELD (tls_psk),
    .help = "File of pre-shared keys for TLS." },
  { .name = "busy-poll", .type = SETTING_NUMBER, .max = BUSY_POLL_MAX,
    FIELD (busy_poll), .words = { { "auto", CONF_CHOOSE }, { "off", 0 } },
    .help = "Microseconds to poll for the next request." },

  { .name = "priority", .type = SETTING_NUMBER, .max = 32767,
    FIELD (priority), .words = { { "auto", CONF_KEEP } },
    .help = "Priority of the swap." },
  { .name = "remote", .type = SETTING_TEXT, .repeats = true,
    FIELD (remotes),
    .help = "URI of a server on another machine." },
  { .name = "mirror", .type = SETTING_BOOLEAN, FIELD (mirror),
    .help = "Keep each page on all remote servers." },
  { .name = "stripe", .type = SETTING_BOOLEAN, FIELD (stripe),
    .help = "Spread pages over all remote servers." },
  { .name = "attach-only", .type = SETTING_BOOLEAN, FIELD (attach_only),
    .help = "Attach the disk, but don't swap to it." },
  { .name = "block-size", .type = SETTING_SIZE, .min = CONF_SECTOR_SIZE,
    .max = CONF_BLOCK_SIZE_MAX, FIELD (block_size),
    .words = { { "auto", 0 } },
    .help = "Size of the device's blocks." },
  { .name = "areas", .type = SETTING_NUMBER, .min = 1, .max = CONF_AREAS_MAX,
    FIELD (areas),
    .help = "Most areas that the swap is cut into." },
  { .name = "mount-point", .type = SETTING_PATH, FIELD (mount_point),
    .help = "Directory where the disk is mounted." },
  { .name = "fs-type", .type = SETTING_WORD, FIELD (fs_type),
    .words = { { "ext4", CONF_EXT4 }, { "xfs", CONF_XFS },
               { "btrfs", CONF_BTRFS } },
    .help = "Type of the file system." },
  { .name = "mount-options", .type = SETTING_TEXT, FIELD (mount_options),
    .help = "Options of mount, besides discard." },
  { .name = "mode", .type = SETTING_NUMBER, .max = 7777, FIELD (mode),
    .words = { { "keep", CONF_KEEP } },
    .help = "Permissions of the root of the file system." },
  { .name = "force", .type = SETTING_BOOLEAN, FIELD (force),
    .help = "Swap even where the machine may hang." },
  { .name = "connections", .type = SETTING_NUMBER, .min = 2,
    .max = CONF_CONNECTIONS_MAX, FIELD (connections),
    .help = "Connections to the server." },
  { .name = "timeout", .type = SETTING_SECONDS, .min = TIMEOUT_MIN,
    .max = CONF_TIMEOUT_MAX, FIELD (timeout),
    .help = "Seconds that a request may take." },
  { .name = "dead-timeout", .type = SETTING_SECONDS, .min = 30,
    .max = CONF_DEAD_TIMEOUT_MAX, FIELD (dead_timeout),
    .help = "Seconds without a server until requests fail." },
  { .name = "page-cluster", .type = SETTING_NUMBER, .max = 9,
    FIELD (page_cluster), .words = { { "keep", CONF_KEEP } },
    .help = "vm.page-cluster while swapping." },
  { .name = "swappiness", .type = SETTING_NUMBER, .max = 200,
    FIELD (swappiness), .words = { { "keep", CONF_KEEP } },
    .help = "vm.swappiness while swapping." },
  { .name = "min-free", .type = SETTING_SIZE, .min = MIB,
    .max = PARSE_SIZE_EXPRESSION_MAX, FIELD (min_free),
    .words = { { "keep", CONF_KEEP }, { "auto", CONF_CHOOSE } },
    .help = "vm.min_free_kbytes while swapping." },
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

/* A key of earlier versions that has no effect any more.  It is no error: a
 * swap must come up after an upgrade.
 */
static bool
is_obsolete (const char *key)
{
  return strcmp (key, "threads") == 0;
}

static const struct setting *
find_field (const char *key)
{
  return setting_find_in (conf_fields, key, strlen (key));
}

const struct setting *
conf_key_at (size_t index)
{
  if (index < FIELDS)
    return &conf_fields[index];
  index -= FIELDS;
  for (const struct setting *s = settings; s->name; ++s)
    if (!find_field (s->name) && !follows_from_name (s->name)
        && index-- == 0)
      return s;
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
    .busy_poll = CONF_CHOOSE,
    .priority = 100,
    .areas = CONF_AREAS_MAX,
    .mode = CONF_KEEP,
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
  free (c->mount_point);
  free (c->mount_options);
  free (c->file);
  *c = (struct conf) { .size = 0 };
}

void
conf_new_layer (struct conf *c)
{
  c->seen = 0;
}

/* ---- errors ---- */

int
conf_error (char *error, size_t size, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vsnprintf (error, size, format, ap);
  va_end (ap);
  return fail_with (EINVAL);
}

static int
out_of_memory (char *error, size_t size)
{
  errno = ENOMEM;
  return set_error (error, size, "%s", strerror (ENOMEM));
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
  return conf_error (error, size, "export: '%s' is %" PRIu64 " bytes, and "
                     "must be from %s to %s; a number without a unit is in "
                     "bytes", value, n, size_text (min, DISK_SIZE_MIN),
                     size_text (max, DISK_SIZE_MAX));
}

/* A path must be absolute: the server has another directory. */
static int
check_path (const struct setting *e, const char *value, char *error,
            size_t size)
{
  char words[SETTING_OR_WORDS_SIZE];
  int64_t n;

  if ((e->type == SETTING_PATH
       || (e->type == SETTING_PLACE && !strstr (value, "://")))
      && value[0] != '/' && !setting_is_word (e, value, &n))
    return conf_error (error, size, "%s: '%s' is no path that begins with a "
                       "slash%s", e->name, value, setting_or_words (e, words));
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
    return conf_error (error, size, "remote: at most %d of them",
                       CONF_REMOTES_MAX);
  if (set_text (&c->remotes[c->remote_count], value, error, size) == -1)
    return -1;
  c->remote_count++;
  return 0;
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
    setting_set_field (c, e, n);
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
    return conf_error (error, size, "%s: the value is missing", key);
  if (strlen (value) > CONF_VALUE_MAX)
    return conf_error (error, size, "%s: the value has more than %d bytes",
                       key, CONF_VALUE_MAX);
  for (const char *s = value; *s; ++s)
    if ((unsigned char) *s < ' ' || *s == 127
        || ((s == value || s[-1] == ' ') && (*s == '#' || *s == ';')))
      return conf_error (error, size, "%s: the value has a character that has "
                         "no place there", key);
  if (!is_utf8 (value))
    return conf_error (error, size, "%s: the value is not UTF-8", key);
  if (value[0] == ' ' || value[strlen (value) - 1] == ' ')
    return conf_error (error, size, "%s: the value has a blank around it",
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
    return conf_error (error, size, "%s: follows from what the disk is "
                       "called, as does its file", key);
  if (is_obsolete (key)) {
    c->obsolete = "threads";
    return 0;
  }
  if (!e)
    return conf_error (error, size, "unknown key '%s'", key);
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
    return conf_error (error, size, "'%s' is not KEY=VALUE", word);
  if ((size_t) (equals - word) >= sizeof key)
    return conf_error (error, size, "unknown key '%.*s'",
                       (int) (equals - word), word);
  memcpy (key, word, (size_t) (equals - word));
  key[equals - word] = '\0';
  return conf_set (c, key, equals + 1, error, size);
}

/* ---- all settings ---- */

int
conf_set_each (struct conf *c, const char *key, const char *const *values,
               unsigned count, char *error, size_t size)
{
  for (unsigned i = 0; i < count; ++i)
    if (conf_set (c, key, values[i], error, size) == -1)
      return -1;
  return 0;
}

int
conf_load_with (struct conf *c, const char *name, char *const *words,
                int count, char *error, size_t size)
{
  conf_init (c);
  if (conf_load (c, name, error, size) == -1)
    return -1;
  for (int i = 0; i < count; ++i)
    if (conf_set_word (c, words[i], error, size) == -1)
      return -1;
  return 0;
}

const char *
conf_parameter (const struct conf *c, const char *key)
{
  for (size_t i = 0; i < c->parameter_count; ++i)
    if (is_parameter (c->parameters[i], key))
      return c->parameters[i] + strlen (key) + 1;
  return NULL;
}

mode_t
conf_mode (const struct conf *c)
{
  mode_t mode = 0;
  unsigned shift = 0;

  for (int n = c->mode; n > 0; n /= 10, shift += 3)
    mode |= (mode_t) (n % 10) << shift;
  return mode;
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
