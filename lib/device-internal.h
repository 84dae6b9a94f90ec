/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between a pool and its devices. */

#ifndef NBDZRAM_DEVICE_INTERNAL_H
#define NBDZRAM_DEVICE_INTERNAL_H

#include "device.h"

/* From record number N.  NULL with errno ENOMEM. */
struct device *device_new (struct pool *pool, unsigned n,
                           const struct device_record *record);

/* Take all that the table names into account.  0, or -1 with errno
 * ENOTSUP (pages of a codec that is not built in).
 */
int device_attach (struct device *d);

/* NULL does nothing. */
void device_free (struct device *d);

#endif /* NBDZRAM_DEVICE_INTERNAL_H */
