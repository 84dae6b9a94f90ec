/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What exports.c and exports-control.c share. */

#ifndef NBDZRAM_SERVICE_EXPORTS_INTERNAL_H
#define NBDZRAM_SERVICE_EXPORTS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/store/device.h"

#include "bandwidth.h"
#include "export-settings.h"
#include "exports.h"

/* What the service knows of a device: its extra. */
struct export {
  struct export_settings settings; /* constant */
  struct bandwidth bandwidth;
  _Atomic unsigned connections; /* changed under exports_lock */
  _Atomic bool full;            /* exports_set_full */
};

extern struct pool *exports_pool;

/* Held while an export is looked for and used, made, or removed.  Taken
 * before the pool's locks.  Code that only reads the list of devices does not
 * take it.
 */
extern pthread_mutex_t exports_lock;

/* The export of device D, or NULL while it is being added. */
static inline struct export *
export_of (const struct device *d)
{
  return d->extra;
}

/* The algorithm that export E has of its own, or NULL. */
const struct algorithm *export_algorithm (const struct export *e);

/* Adds an export and returns its device, which the caller has to put.  The
 * caller holds exports_lock.  Returns NULL after ERROR.
 */
struct device *export_add (const char *name, const char *settings,
                           uint64_t default_size, char *error, size_t size);

/* End the connections to D, if the program that serves can do that. */
void exports_disconnect (const struct device *d);

/* As set_error, for what errno says of the store. */
int exports_error_from_errno (char *error, size_t size);

#endif /* NBDZRAM_SERVICE_EXPORTS_INTERNAL_H */
