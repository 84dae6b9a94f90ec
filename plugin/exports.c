/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "bandwidth.h"
#include "control.h"
#include "export-settings.h"
#include "exports.h"
#include "util.h"

#define ERROR_SIZE 512

/* What the plugin knows of a device: its extra. */
struct export {
  struct export_settings settings; /* constant */
  struct bandwidth bandwidth;
  _Atomic unsigned connections; /* changed under exports_lock */
  _Atomic bool full;            /* exports_set_full */
};

static struct pool *pool;
static const struct exports_options *options;

/* While an export is looked for and used, made, or removed: one thing at a
 * time.  Taken before the pool's locks; who looks at devices never takes it.
 */
static pthread_mutex_t exports_lock = PTHREAD_MUTEX_INITIALIZER;

static int
say (char *error, size_t size, const char *format, ...)
  __attribute__ ((format (printf, 3, 4)));

static int
say (char *error, size_t size, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vsnprintf (error, size, format, ap);
  va_end (ap);
  return -1;
}

/* ---- what is known of a device ---- */

static void
export_free (void *opaque)
{
  struct export *e = opaque;

  export_settings_free (&e->settings);
  free (e);
}

static struct export *
export_of (const struct device *d)
{
  return d->extra;
}

/* SETTINGS are the device's, which has none yet. */
static int
equip (struct device *d, const char *settings, char *error, size_t size)
{
  struct export *e = calloc (1, sizeof *e);

  if (!e)
    return say (error, size, "%m");
  if (export_settings_parse (&e->settings, settings, error, size) == -1) {
    free (e);
    return -1;
  }
  device_set_quota (d, e->settings.quota);
  d->free_extra = export_free;
  d->extra = e;
  return 0;
}

/* ---- making them ---- */

static int
report_add (int err, char *error, size_t size)
{
  if (err == ENOSPC && pool->device_count >= POOL_DEVICES_MAX)
    return say (error, size, "there are %d already", POOL_DEVICES_MAX);
  errno = err;
  return say (error, size, "%m");
}

/* Quotas count objects that belong to one device. */
static int
check_quota (const struct export_settings *s, char *error, size_t size)
{
  if (s->quota == 0 || pool->objects_are_owned)
    return 0;
  return say (error, size, "quota: pages that exports share (dedup=pool, now "
              "or before) are nobody's");
}

/* A new one, which the caller uses then.  exports_lock is held. */
static struct device *
make (const char *name, const char *settings, uint64_t default_size,
      char *error, size_t size)
{
  struct export_settings s;
  struct device *d;
  int r;

  if (!export_name_valid (name, error, size)
      || export_settings_parse (&s, settings, error, size) == -1)
    return NULL;
  r = check_quota (&s, error, size);
  export_settings_free (&s);
  if (s.size == 0)
    s.size = default_size;
  if (r == 0 && s.size == 0)
    r = say (error, size, "a new export needs size=");
  if (r == -1)
    return NULL;
  d = device_add (pool, name, s.size, settings, NULL);
  if (!d) {
    report_add (errno, error, size);
    return NULL;
  }
  if (equip (d, settings, error, size) == 0)
    return d;
  device_remove (d);
  device_put (d);
  return NULL;
}

/* One that the parameters want. */
static int
open_wanted (const struct wanted_export *w)
{
  struct device *d = device_find (pool, w->name);
  char error[ERROR_SIZE];

  if (d) {
    device_set_settings (d, w->settings);
    if (w->size != 0 && w->size != d->size)
      nbdkit_error ("export=%s: has %" PRIu64 " bytes, as it was made or "
                    "resized, not %" PRIu64, w->name, d->size, w->size);
  }
  else if ((d = make (w->name, w->settings, 0, error, sizeof error)) == NULL) {
    nbdkit_error ("export=%s: %s", w->name, error);
    return -1;
  }
  device_put (d);
  return 0;
}

/* What the record says of each, which may be what was just put there. */
static int
equip_all (void)
{
  struct device_record record;
  char error[ERROR_SIZE];

  for (struct device *d = NULL;
       (d = device_look_at_next (pool, d)) != NULL; ) {
    if (export_of (d))
      continue;
    if (pool_file_get_device (&pool->file, d->number, &record) == 0
        && equip (d, record.settings, error, sizeof error) == 0
        && check_quota (&export_of (d)->settings, error, sizeof error) == 0)
      continue;
    nbdkit_error ("export=%s: %s", d->name, error);
    device_look_away (d);
    return -1;
  }
  return 0;
}

int
exports_open (struct pool *p, const struct exports_options *o)
{
  pool = p;
  options = o;
  for (size_t i = 0; i < o->count; ++i)
    if (open_wanted (&o->wanted[i]) == -1)
      return -1;
  return equip_all ();
}

/* ---- connections ---- */

/* As long as there is only the one without a name, each name means it, as
 * with other plugins of nbdkit.
 */
static bool
name_matters (void)
{
  return exports_are_wanted (options) || pool->device_count > 1;
}

static struct device *
make_automatic (const char *name)
{
  char error[ERROR_SIZE] = "", settings[64] = "";
  struct device *d = NULL;

  if (options->quota != 0)
    snprintf (settings, sizeof settings, "quota=%" PRIu64, options->quota);
  if (pool->device_count >= options->max)
    say (error, sizeof error, "there are %u already", pool->device_count);
  else
    d = make (name, settings, options->size, error, sizeof error);
  if (!d) {
    char shown[EXPORT_SHOWN_SIZE];

    nbdkit_error ("export \"%s\": %s", export_name_shown (name, shown),
                  error);
  }
  return d;
}

static void
report_none (const char *name)
{
  char shown[EXPORT_SHOWN_SIZE];

  nbdkit_error ("there is no export \"%s\"", export_name_shown (name, shown));
}

static struct device *
find_or_make (const char *name)
{
  struct device *d = device_find (pool, name_matters () ? name : "");

  if (d)
    return d;
  if (options->automatic && name[0] != '\0')
    return make_automatic (name);
  report_none (name);
  return NULL;
}

/* Who is connected; of what was handed to nbdkit as its standard input
 * nobody knows, nor of a Unix socket, where permissions decide.
 */
static bool
peer_may_use (const struct export *e)
{
  struct sockaddr_storage addr;
  socklen_t len = sizeof addr;

  return e->settings.allow.count == 0
    || (nbdkit_peer_name ((struct sockaddr *) &addr, &len) == 0
        && allow_permits (&e->settings.allow, (struct sockaddr *) &addr));
}

struct device *
exports_use (const char *name)
{
  struct device *d;

  LOCK_FOR_SCOPE (&exports_lock);
  d = find_or_make (name);
  if (!d)
    return NULL;
  if (!peer_may_use (export_of (d))) {
    /* The same words as for one that isn't there. */
    report_none (name);
    device_put (d);
    return NULL;
  }
  export_of (d)->connections++;
  return d;
}

void
exports_leave (struct device *d)
{
  {
    LOCK_FOR_SCOPE (&exports_lock);
    export_of (d)->connections--;
  }
  device_put (d);
}

void
exports_describe (const struct device *d, char text[EXPORT_DESCRIPTION_SIZE])
{
  static const char digits[] = "0123456789abcdef";
  const uint8_t *id = pool_file_id (&d->pool->file);
  char hex[2 * POOL_ID_SIZE + 1] = "";

  for (unsigned i = 0; i < POOL_ID_SIZE; ++i) {
    hex[2 * i] = digits[id[i] >> 4];
    hex[2 * i + 1] = digits[id[i] & 15];
  }
  snprintf (text, EXPORT_DESCRIPTION_SIZE,
            "nbdzram pool %s export %016" PRIx64, hex, d->id);
}

int
exports_list (struct nbdkit_exports *list)
{
  char text[EXPORT_DESCRIPTION_SIZE];
  int r = 0;

  for (struct device *d = NULL;
       (d = device_look_at_next (pool, d)) != NULL; )
    if (r == 0 && export_of (d) && peer_may_use (export_of (d))) {
      exports_describe (d, text);
      r = nbdkit_add_export (list, d->name, text);
    }
  return r;
}

const char *
exports_default (void)
{
  const char *first = NULL;

  for (struct device *d = NULL;
       (d = device_look_at_next (pool, d)) != NULL; ) {
    if (!first)
      first = nbdkit_strdup_intern (d->name);
    if (d->name[0] == '\0')
      first = "";
  }
  return first ? first : "";
}

/* ---- requests ---- */

int
exports_begin_request (struct device *d, uint32_t count)
{
  struct export *e = export_of (d);

  if (device_is_removed (d)) {
#if HAVE_DECL_NBDKIT_DISCONNECT
    nbdkit_disconnect (1);
#endif
    errno = ESHUTDOWN;
    return -1;
  }
  return e->settings.bandwidth == 0
    ? 0 : bandwidth_wait (&e->bandwidth, e->settings.bandwidth, count);
}

bool
exports_set_full (struct device *d, bool full)
{
  struct export *e = export_of (d);

  /* Mostly there is nothing to change. */
  return e->full == full ? full : atomic_exchange (&e->full, full);
}

/* ---- for the control socket ---- */

static int
add (const char *name, const char *settings, char *error, size_t size)
{
  struct device *d;

  LOCK_FOR_SCOPE (&exports_lock);
  d = make (name, settings, 0, error, size);
  if (!d)
    return -1;
  device_put (d);
  return 0;
}

/* Its connections, to be cut by their next request, or -1. */
static int
remove_export (const char *name, bool force, char *error, size_t size)
{
  unsigned connections;
  struct device *d;

  {
    LOCK_FOR_SCOPE (&exports_lock);
    d = device_find (pool, name);
    if (!d)
      return say (error, size, "there is no export \"%.64s\"", name);
    connections = export_of (d)->connections;
    if (connections == 0 || force)
      device_remove (d);
  }
  device_put (d);
  if (connections == 0 || force)
    return (int) connections;
  return say (error, size, "the export is in use: %u %s", connections,
              connections == 1 ? "connection" : "connections");
}

static int
resize (const char *name, uint64_t bytes, char *error, size_t size)
{
  struct device *d = device_find (pool, name);
  int r, err;

  if (!d)
    return say (error, size, "there is no export \"%.64s\"", name);
  r = device_resize (d, bytes);
  err = errno;
  device_put (d);
  errno = err;
  if (r == 0)
    return 0;
  return errno == EBUSY ? say (error, size, "the export is in use")
                        : say (error, size, "%m");
}

static void
look (const struct device *d, struct control_export *view)
{
  const struct export *e = export_of (d);

  *view = (struct control_export) { .connections = 0 };
  if (!e)                       /* it is being made */
    return;
  view->connections = e->connections;
  view->bandwidth = e->settings.bandwidth;
  if (e->settings.allow_text)
    snprintf (view->allow, sizeof view->allow, "%s", e->settings.allow_text);
}

const struct control_exports exports_control = {
  .add = add, .remove = remove_export, .resize = resize, .look = look,
};
