/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control socket does with exports. */

#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "lib/base/mutex.h"
#include "lib/store/devices.h"

#include "exports.h"
#include "exports-internal.h"
#include "set-error.h"

int
exports_add (const char *name, const char *settings, char *error, size_t size)
{
  struct device *d;

  LOCK_FOR_SCOPE (&exports_lock);
  d = export_add (name, settings, 0, error, size);
  if (!d)
    return -1;
  device_put (d);
  return 0;
}

/* The export without a name belongs to size=, which the next start checks. */
static int
check_has_name (const char *name, char *error, size_t size)
{
  if (name[0] != '\0')
    return 0;
  return set_error (error, size, "the export without a name is that of size=, "
                    "and can't be changed");
}

/* The device called NAME, which the caller has to put; NULL after ERROR. */
static struct device *
find_device (const char *name, char *error, size_t size)
{
  struct device *d = device_find (exports_pool, name);

  if (!d && errno == EBUSY)
    set_error (error, size, "the export is being resized");
  else if (!d)
    set_error (error, size, "there is no export \"%.64s\"", name);
  return d;
}

int
exports_remove (const char *name, bool force, char *error, size_t size)
{
  unsigned connections;
  struct device *d;
  bool removable;

  if (check_has_name (name, error, size) == -1)
    return -1;
  {
    LOCK_FOR_SCOPE (&exports_lock);
    d = find_device (name, error, size);
    if (!d)
      return -1;
    connections = export_of (d)->connections;
    removable = connections == 0 || force;
    if (removable)
      device_remove (d);
  }
  if (removable)
    exports_disconnect (d);
  /* Frees the pages now, since clients may stay connected for long.  This may
   * take long, so the lock is not held.
   */
  if (removable && connections > 0)
    device_zero (d, d->size, 0);
  device_put (d);
  if (removable)
    return (int) connections;
  return set_error (error, size, "the export is in use: %u %s", connections,
                    connections == 1 ? "connection" : "connections");
}

int
exports_resize (const char *name, uint64_t bytes, char *error, size_t size)
{
  struct device *d;
  int r, err;

  if (check_has_name (name, error, size) == -1)
    return -1;
  d = find_device (name, error, size);
  if (!d)
    return -1;
  r = device_resize (d, bytes);
  err = errno;
  device_put (d);
  errno = err;
  if (r == 0)
    return 0;
  return errno == EBUSY ? set_error (error, size, "the export is in use")
                        : exports_error_from_errno (error, size);
}

void
exports_view (const struct device *d, struct export_view *view)
{
  const struct export *e = export_of (d);

  *view = (struct export_view) { .connections = 0 };
  if (!e)                       /* it is being added */
    return;
  view->connections = e->connections;
  view->bandwidth = e->settings.bandwidth;
  if (export_algorithm (e))
    algorithm_name (e->settings.algorithm.codec, e->settings.algorithm.level,
                    view->algorithm);
  if (e->settings.allow_text)
    snprintf (view->allow, sizeof view->allow, "%s", e->settings.allow_text);
}
