/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mutex.h"
#include "lib/base/util.h"

#include "bandwidth.h"
#include "control.h"
#include "export-settings.h"
#include "exports.h"
#include "exports-internal.h"
#include "log.h"
#include "set-error.h"

#define ERROR_SIZE 512

struct pool *exports_pool;
static const struct exports_options *options;
static const struct exports_host *host;
static bool named;              /* an export has or had a name */

pthread_mutex_t exports_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- what is known of a device ---- */

static void
export_free (void *opaque)
{
  struct export *e = opaque;

  export_settings_free (&e->settings);
  free (e);
}

/* Quotas count objects that belong to one device. */
static int
check_quota (const struct export_settings *s, char *error, size_t size)
{
  if (s->quota == 0 || exports_pool->objects_are_owned)
    return 0;
  return set_error (error, size, "quota: requires a pool that never had "
                    "dedup=pool: shared pages belong to no export");
}

/* Parses SETTINGS for a device.  Returns NULL after ERROR. */
static struct export *
export_new (const char *settings, char *error, size_t size)
{
  struct export *e = calloc (1, sizeof *e);

  if (!e) {
    set_error (error, size, "%m");
    return NULL;
  }
  if (export_settings_parse (&e->settings, settings, error, size) == 0
      && check_quota (&e->settings, error, size) == 0)
    return e;
  export_free (e);
  return NULL;
}

/* Gives the device D, which has no extra yet, E as its extra. */
static void
set_extra (struct device *d, struct export *e)
{
  device_set_quota (d, e->settings.quota);
  d->free_extra = export_free;
  d->extra = e;
}

/* ---- making them ---- */

/* The algorithm in the settings of E, or NULL. */
const struct algorithm *
export_algorithm (const struct export *e)
{
  return e->settings.algorithm.codec ? &e->settings.algorithm : NULL;
}

/* Puts into ERROR what errno means for an export.  Returns -1. */
int
exports_error_from_errno (char *error, size_t size)
{
  switch (errno) {
  case EINVAL:
    return set_error (error, size, "a disk has from 1 byte to 1 PiB");
  case ENOENT:
    return set_error (error, size, "the export was removed");
  case ENOSPC:
    return set_error (error, size, "mem-limit leaves no room for it");
  default:
    return set_error (error, size, "%m");
  }
}

/* Puts into ERROR why E, called NAME, could not be added, by errno.  Returns
 * -1.
 */
static int
set_add_error (const struct export *e, const char *name, char *error,
            size_t size)
{
  char shown[EXPORT_SHOWN_SIZE];

  if (errno == EEXIST)
    return set_error (error, size, "there is an export \"%s\" already",
                      export_name_shown (name, shown));
  if (errno == ENOSPC && exports_pool->device_count >= POOL_DEVICES_MAX)
    return set_error (error, size, "there are %d already", POOL_DEVICES_MAX);
  if (errno == EMLINK)
    return set_error (error, size, "exports have %d other algorithms already, "
                      "the most there can be", METHODS_OF_DEVICES);
  if (export_algorithm (e) && (errno == ENOSPC || errno == ENOMEM))
    return set_error (error, size, "no memory for it and its algorithm");
  return exports_error_from_errno (error, size);
}

/* Adds an export and returns its device, which the caller has to put.  The
 * caller holds exports_lock.  Returns NULL after ERROR.
 */
struct device *
export_add (const char *name, const char *settings, uint64_t default_size,
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
    set_error (error, size, "a new export needs size=");
  else if ((d = device_add (exports_pool, name, bytes, settings,
                            export_algorithm (e))) == NULL)
    set_add_error (e, name, error, size);
  if (d)
    set_extra (d, e);
  else
    export_free (e);
  named |= d && name[0] != '\0';
  return d;
}

/* ---- the exports when the server starts ---- */

/* The export called NAME in the parameters, or NULL. */
static const struct wanted_export *
find_wanted (const char *name)
{
  for (size_t i = 0; i < options->count; ++i)
    if (strcmp (options->wanted[i].name, name) == 0)
      return &options->wanted[i];
  return NULL;
}

/* As device_set_algorithm, but a new pool, which has no pages to be served at
 * any cost, keeps to its limit: then errno is ENOSPC.
 */
static int
set_algorithm (struct device *d, const struct algorithm *algorithm)
{
  const struct budget *b = &exports_pool->budget;

  if (device_set_algorithm (d, algorithm) == -1)
    return -1;
  if (!exports_pool->file.created || b->limit == 0 || b->used <= b->limit)
    return 0;
  return fail_with (ENOSPC);
}

/* Sets up D as the parameters say, or else as its record in the pool says. */
static int
set_up_device (struct device *d, char *error, size_t size)
{
  const struct wanted_export *w = find_wanted (d->name);
  struct device_record record;
  struct export *e;

  if (!w
      && pool_file_get_device (&exports_pool->file, d->number, &record) == -1)
    return set_error (error, size, "its record: %m");
  e = export_new (w ? w->settings : record.settings, error, size);
  if (!e)
    return -1;
  if (export_algorithm (e) && set_algorithm (d, export_algorithm (e)) == -1) {
    set_add_error (e, d->name, error, size);
    export_free (e);
    return -1;
  }
  set_extra (d, e);
  named |= d->name[0] != '\0';
  return 0;
}

static int
set_up_devices (void)
{
  char error[ERROR_SIZE];

  for (struct device *d = NULL;
       (d = device_pin_next (exports_pool, d)) != NULL; )
    if (set_up_device (d, error, sizeof error) == -1) {
      log_error ("export=%s: %s", d->name, error);
      device_unpin (d);
      return -1;
    }
  return 0;
}

/* Finds or adds an export of the parameters. */
static int
open_wanted (const struct wanted_export *w)
{
  struct device *d = device_find (exports_pool, w->name);
  char error[ERROR_SIZE];

  if (d) {
    device_set_settings (d, w->settings);
    if (w->size != 0 && w->size != d->size)
      log_error ("export=%s: has %" PRIu64 " bytes, as it was made or "
                 "resized, not %" PRIu64, w->name, d->size, w->size);
  }
  else if ((d = export_add (w->name, w->settings, 0, error, sizeof error))
           == NULL) {
    log_error ("export=%s: %s", w->name, error);
    return -1;
  }
  device_put (d);
  return 0;
}

/* Checks at the start what would refuse every export of exports=auto. */
static int
check_automatic (void)
{
  struct export_settings s = { .quota = options->quota };
  char error[ERROR_SIZE];

  if (check_quota (&s, error, sizeof error) == 0)
    return 0;
  log_error ("exports=auto: export-%s", error);
  return -1;
}

int
exports_open (struct pool *p, const struct exports_options *o,
              const struct exports_host *h)
{
  exports_pool = p;
  options = o;
  host = h;
  /* Existing exports come first.  Otherwise a new one could take the last
   * place for an algorithm that an existing one needs, and since it stays in
   * the pool, the next start would fail, too.
   */
  if (check_automatic () == -1 || set_up_devices () == -1)
    return -1;
  for (size_t i = 0; i < o->count; ++i)
    if (open_wanted (&o->wanted[i]) == -1)
      return -1;
  return 0;
}

/* ---- connections ---- */

/* As long as the only export there ever was has no name, each name means it,
 * as with other plugins of nbdkit.  After that names count: the client of an
 * export that was removed reconnects by itself, and must not get the disk of
 * another one.
 */
static bool
name_matters (void)
{
  return named || exports_are_wanted (options)
    || exports_pool->device_count > 1;
}

static struct device *
make_automatic (const char *name)
{
  char error[ERROR_SIZE] = "", settings[EXPORTS_AUTOMATIC_SIZE];
  struct device *d = NULL;

  exports_automatic_settings (options, settings);
  if (exports_pool->device_count >= options->max)
    set_error (error, sizeof error, "there are %u already",
               exports_pool->device_count);
  else
    d = export_add (name, settings, options->size, error, sizeof error);
  if (!d) {
    char shown[EXPORT_SHOWN_SIZE];

    log_error ("export \"%s\": %s", export_name_shown (name, shown),
               error);
  }
  return d;
}

static void
log_not_found (const char *name)
{
  char shown[EXPORT_SHOWN_SIZE];

  log_error ("there is no export \"%s\"", export_name_shown (name, shown));
}

static struct device *
find_or_make (const char *name)
{
  struct device *d = device_find (exports_pool, name_matters () ? name : "");

  if (d)
    return d;
  if (errno == EBUSY) {
    char shown[EXPORT_SHOWN_SIZE];

    log_error ("export \"%s\" is being resized: connect again later",
               export_name_shown (name, shown));
    return NULL;
  }
  if (options->automatic && name[0] != '\0')
    return make_automatic (name);
  log_not_found (name);
  return NULL;
}

/* May the client of this thread use E?  A client on a Unix socket, or on
 * nbdkit's standard input, has no address: there permissions decide.
 */
static bool
peer_may_use (const struct export *e)
{
  struct sockaddr_storage addr;

  return e->settings.allow.count == 0
    || (host->get_peer (&addr)
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
    /* The same message as for a missing export: its name stays secret. */
    log_not_found (name);
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
exports_list (int (*on_export) (void *opaque, const char *name,
                                const char *description),
              void *opaque)
{
  char text[EXPORT_DESCRIPTION_SIZE];
  int r = 0;

  for (struct device *d = NULL;
       (d = device_pin_next (exports_pool, d)) != NULL; )
    if (r == 0 && export_of (d) && peer_may_use (export_of (d))) {
      exports_describe (d, text);
      r = on_export (opaque, d->name, text);
    }
  return r;
}

void
exports_get_default (char name[DEVICE_NAME_MAX + 1])
{
  bool has_empty = false;

  name[0] = '\0';
  for (struct device *d = NULL;
       (d = device_pin_next (exports_pool, d)) != NULL; ) {
    if (!export_of (d) || !peer_may_use (export_of (d)))
      continue;
    if (d->name[0] == '\0')
      has_empty = true;
    else if (name[0] == '\0')
      snprintf (name, DEVICE_NAME_MAX + 1, "%s", d->name);
  }
  if (has_empty)
    name[0] = '\0';
}

/* ---- requests ---- */

int
exports_check_removed (const struct device *d)
{
  if (!device_is_removed (d))
    return 0;
  host->disconnect ();
  return fail_with (ESHUTDOWN);
}

void
exports_disconnect (const struct device *d)
{
  if (host->disconnect_export)
    host->disconnect_export (d);
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
                         host->sleep, is_removed, d) == -1
      && !device_is_removed (d))
    return -1;
  return exports_check_removed (d);
}

bool
exports_set_full (struct device *d, bool full)
{
  struct export *e = export_of (d);

  /* Mostly nothing changes: then only read. */
  return e->full == full ? full : atomic_exchange (&e->full, full);
}
