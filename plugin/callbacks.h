/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of clients: nbdkit's callbacks of the same names.  The handle is
 * the struct device, which exports_use gave.  Any number of threads may call.
 *
 * All return 0, or -1 with errno, after nbdkit_error: EIO when a page can't
 * be read, ENOSPC when the pool or the export's quota is full, ESHUTDOWN when
 * the export has been removed.
 */

#ifndef NBDZRAM_PLUGIN_REQUESTS_H
#define NBDZRAM_PLUGIN_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

/* Each thread is to have its stack in memory, as pages of PAGE_SIZE bytes
 * need it, before its first request: say so before there are any.
 */
void requests_harden (size_t page_size);

int request_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
                   uint32_t flags);
int request_pwrite (void *handle, const void *buf, uint32_t count,
                    uint64_t offset, uint32_t flags);
int request_zero (void *handle, uint32_t count, uint64_t offset,
                  uint32_t flags);
int request_trim (void *handle, uint32_t count, uint64_t offset,
                  uint32_t flags);

/* What was acknowledged is in memory; so it is only asked whether the export
 * still exists.
 */
int request_flush (void *handle, uint32_t flags);

struct nbdkit_extents;
int request_extents (void *handle, uint32_t count, uint64_t offset,
                     uint32_t flags, struct nbdkit_extents *extents);

#endif /* NBDZRAM_PLUGIN_REQUESTS_H */
