/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdkit's callbacks for requests. */

#ifndef NBDZRAM_PLUGIN_CALLBACKS_H
#define NBDZRAM_PLUGIN_CALLBACKS_H

#include <stddef.h>
#include <stdint.h>

struct nbdkit_extents;

/* Before its first request, each thread touches the stack that it needs for
 * pages of PAGE_SIZE bytes.  Call this before there are connections.
 */
void callbacks_harden (size_t page_size);

int on_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
              uint32_t flags);
int on_pwrite (void *handle, const void *buf, uint32_t count, uint64_t offset,
               uint32_t flags);
int on_zero (void *handle, uint32_t count, uint64_t offset, uint32_t flags);
int on_trim (void *handle, uint32_t count, uint64_t offset, uint32_t flags);
int on_flush (void *handle, uint32_t flags);
int on_extents (void *handle, uint32_t count, uint64_t offset, uint32_t flags,
                struct nbdkit_extents *extents);

#endif /* NBDZRAM_PLUGIN_CALLBACKS_H */
