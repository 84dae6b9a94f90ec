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

#include "lib/base/mutex.h"
#include "lib/base/util.h"
#include "service/control.h"
#include "service/export-settings.h"

#include "bandwidth.h"
#include "exports.h"

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
static bool named;              /* an export has or had a name */

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

/* Quotas count objects that belong to one device. */
static int
check_quota (const struct export_settings *s, char *error, size_t size)
{
  if (s->quota == 0 || pool->objects_are_owned)
    return 0;
  return say (error, size, "quota: pages that exports share (dedup=pool, now "
              "or before) are nobody's");
}

/* What SETTINGS say of one, for its device.  NULL after ERROR. */
static struct export *
export_new (const char *settings, char *error, size_t size)
{
  struct export *e = calloc (1, sizeof *e);

  if (!e) {
    say (error, size, "%m");
    return NULL;
  }
  if (export_settings_parse (&e->settings, settings, error, size) == 0
      && check_quota (&e->settings, error, size) == 0)
    return e;
  export_free (e);
  return NULL;
}

/* The device, which had none, has E from now on. */
static void
equip (struct device *d, struct export *e)
{
  device_set_quota (d, e->settings.quota);
  d->free_extra = export_free;
  d->extra = e;
}

/* ---- making them ---- */

/* What it says of an algorithm, or NULL. */
static const struct algorithm *
algorithm_of (const struct export *e)
{
  return e->settings.algorithm.codec ? &e->settings.algorithm : NULL;
}

/* -1 after ERROR: what errno means for an export. */
static int
report (char *error, size_t size)
{
  switch (errno) {
  case EINVAL:
    return say (error, size, "a disk has from 1 byte to 1 PiB");
  case ENOENT:
    return say (error, size, "the export was removed");
  case ENOSPC:
    return say (error, size, "mem-limit leaves no room for it");
  default:
    return say (error, size, "%m");
  }
}

/* -1 after ERROR: why E, called NAME, could not be had, by errno. */
static int
report_add (const struct export *e, const char *name, char *error,
            size_t size)
{
  char shown[EXPORT_SHOWN_SIZE];

  if (errno == EEXIST)
    return say (error, size, "there is an export \"%s\" already",
                export_name_shown (name, shown));
  if (errno == ENOSPC && pool->device_count >= POOL_DEVICES_MAX)
    return say (error, size, "there are %d already", POOL_DEVICES_MAX);
  if (errno == EMLINK)
    return say (error, size, "exports have %d other algorithms already, the "
                "most there can be", METHODS_OF_DEVICES);
  if (algorithm_of (e) && (errno == ENOSPC || errno == ENOMEM))
    return say (error, size, "no memory for it and its algorithm");
  return report (error, size);
}

/* A new one, which the caller uses then.  exports_lock is held. */
static struct device *
make (const char *name, const char *settings, uint64_t default_size,
      char *error, size_t size)
{
  struct device *d = NULL;
  struct export *e;
  uint64_t bytes;

  if (!export_name_valid (name, error, size)
      || (e = export_new (settings, error, size)) == NULL)
    return NULL;
  bytes = e->settings.size != 0 ? e->settings.size : default_size;
  if (bytes == 0)
    say (error, size, "a new export needs size=");
  else if ((d = device_add (pool, name, bytes, settings,
                            algorithm_of (e))) == NULL)
    report_add (e, name, error, size);
  if (d)
    equip (d, e);
  else
    export_free (e);
  named |= d && name[0] != '\0';
  return d;
}

/* ---- those that are there when the server starts ---- */

/* What the parameters want of the one called NAME, or NULL. */
static const struct wanted_export *
find_wanted (const char *name)
{
  for (size_t i = 0; i < options->count; ++i)
    if (strcmp (options->wanted[i].name, name) == 0)
      return &options->wanted[i];
  return NULL;
}

/* As device_set_algorithm, but a pool that is new holds nothing that must be
 * served at any cost: ENOSPC, if that is beyond its limit.
 */
static int
set_algorithm (struct device *d, const struct algorithm *algorithm)
{
  const struct budget *b = &pool->budget;

  if (device_set_algorithm (d, algorithm) == -1)
    return -1;
  if (!pool->file.created || b->limit == 0 || b->used <= b->limit)
    return 0;
  errno = ENOSPC;
  return -1;
}

/* D is as the parameters say; or, if they don't, its record. */
static int
equip_found (struct device *d, char *error, size_t size)
{
  const struct wanted_export *w = find_wanted (d->name);
  struct device_record record;
  struct export *e;

  if (!w && pool_file_get_device (&pool->file, d->number, &record) == -1)
    return say (error, size, "its record: %m");
  e = export_new (w ? w->settings : record.settings, error, size);
  if (!e)
    return -1;
  if (algorithm_of (e) && set_algorithm (d, algorithm_of (e)) == -1) {
    report_add (e, d->name, error, size);
    export_free (e);
    return -1;
  }
  equip (d, e);
  named |= d->name[0] != '\0';
  return 0;
}

static int
equip_all (void)
{
  char error[ERROR_SIZE];

  for (struct device *d = NULL;
       (d = device_pin_next (pool, d)) != NULL; )
    if (equip_found (d, error, sizeof error) == -1) {
      nbdkit_error ("export=%s: %s", d->name, error);
      device_unpin (d);
      return -1;
    }
  return 0;
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

/* Could any come with exports=auto? */
static int
check_automatic (void)
{
  struct export_settings s = { .quota = options->quota };
  char error[ERROR_SIZE];

  if (check_quota (&s, error, sizeof error) == 0)
    return 0;
  nbdkit_error ("exports=auto: export-%s", error);
  return -1;
}

int
exports_open (struct pool *p, const struct exports_options *o)
{
  pool = p;
  options = o;
  /* Those that are there come first: a new one that took the place of their
   * algorithm would stay, and be in the way of the next start, too.
   */
  if (check_automatic () == -1 || equip_all () == -1)
    return -1;
  for (size_t i = 0; i < o->count; ++i)
    if (open_wanted (&o->wanted[i]) == -1)
      return -1;
  return 0;
}

/* ---- connections ---- */

/* As long as there only ever was the one without a name, each name means it,
 * as with other plugins of nbdkit.  A client of one that was removed connects
 * again by itself, and must not find somebody else's disk.
 */
static bool
name_matters (void)
{
  return named || exports_are_wanted (options) || pool->device_count > 1;
}

static struct device *
make_automatic (const char *name)
{
  char error[ERROR_SIZE] = "", settings[EXPORTS_AUTOMATIC_SIZE];
  struct device *d = NULL;

  exports_automatic_settings (options, settings);
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
  if (errno == EBUSY) {
    char shown[EXPORT_SHOWN_SIZE];

    nbdkit_error ("export \"%s\" is being resized: connect again later",
                  export_name_shown (name, shown));
    return NULL;
  }
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
exports_detach (struct device *d)
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
       (d = device_pin_next (pool, d)) != NULL; )
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
       (d = device_pin_next (pool, d)) != NULL; ) {
    if (!export_of (d) || !peer_may_use (export_of (d)))
      continue;
    if (!first)
      first = nbdkit_strdup_intern (d->name);
    if (d->name[0] == '\0')
      first = "";
  }
  return first ? first : "";
}

/* ---- requests ---- */

int
exports_check_removed (const struct device *d)
{
  if (!device_is_removed (d))
    return 0;
#if HAVE_DECL_NBDKIT_DISCONNECT
  nbdkit_disconnect (1);
#endif
  errno = ESHUTDOWN;
  return -1;
}

static bool
is_removed (void *opaque)
{
  return device_is_removed (opaque);
}

int
exports_begin_request (struct device *d, uint32_t count)
{
  struct export *e = export_of (d);

  if (e->settings.bandwidth != 0
      && bandwidth_wait (&e->bandwidth, e->settings.bandwidth, count,
                         is_removed, d) == -1 && !device_is_removed (d))
    return -1;
  return exports_check_removed (d);
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

/* That is size='s, which a server that is started again asks for. */
static int
check_has_name (const char *name, char *error, size_t size)
{
  return name[0] != '\0' ? 0
    : say (error, size, "the export without a name stays as size= has it");
}

/* For a command: NULL after ERROR. */
static struct device *
find (const char *name, char *error, size_t size)
{
  struct device *d = device_find (pool, name);

  if (!d && errno == EBUSY)
    say (error, size, "the export is being resized");
  else if (!d)
    say (error, size, "there is no export \"%.64s\"", name);
  return d;
}

/* Its connections, to be cut by their next request, or -1. */
static int
remove_export (const char *name, bool force, char *error, size_t size)
{
  unsigned connections;
  struct device *d;
  bool goes;

  if (check_has_name (name, error, size) == -1)
    return -1;
  {
    LOCK_FOR_SCOPE (&exports_lock);
    d = find (name, error, size);
    if (!d)
      return -1;
    connections = export_of (d)->connections;
    goes = connections == 0 || force;
    if (goes)
      device_remove (d);
  }
  /* Its clients may take long to leave.  Trimming may take long, too. */
  if (goes && connections > 0)
    device_zero (d, d->size, 0);
  device_put (d);
  if (goes)
    return (int) connections;
  return say (error, size, "the export is in use: %u %s", connections,
              connections == 1 ? "connection" : "connections");
}

static int
resize (const char *name, uint64_t bytes, char *error, size_t size)
{
  struct device *d;
  int r, err;

  if (check_has_name (name, error, size) == -1)
    return -1;
  d = find (name, error, size);
  if (!d)
    return -1;
  r = device_resize (d, bytes);
  err = errno;
  device_put (d);
  errno = err;
  if (r == 0)
    return 0;
  return errno == EBUSY ? say (error, size, "the export is in use")
                        : report (error, size);
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
  if (algorithm_of (e))
    algorithm_name (e->settings.algorithm.codec, e->settings.algorithm.level,
                    view->algorithm);
  if (e->settings.allow_text)
    snprintf (view->allow, sizeof view->allow, "%s", e->settings.allow_text);
}

const struct control_exports exports_control = {
  .add = add, .remove = remove_export, .resize = resize, .look = look,
};
