/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libnbd, which is loaded only when it is needed: it needs libraries of 30 MB,
 * which a server of swap without a remote backing file would have locked in
 * memory for nothing.
 */

#ifndef NBDZRAM_BACKING_LIBNBD_LOAD_H
#define NBDZRAM_BACKING_LIBNBD_LOAD_H

#include <stdbool.h>

#include <libnbd.h>

/* The functions that are used, without their prefix "nbd_". */
#define LIBNBD_FUNCTIONS(F)                                             \
  F (aio_connect_uri) F (aio_get_direction) F (aio_get_fd)              \
  F (aio_is_closed) F (aio_is_connecting) F (aio_is_dead)               \
  F (aio_is_ready) F (aio_notify_read) F (aio_notify_write)             \
  F (aio_pread) F (aio_pwrite) F (aio_trim) F (can_fua)                 \
  F (can_multi_conn) F (can_trim) F (close) F (create)                  \
  F (get_block_size) F (get_error) F (get_size) F (is_read_only)        \
  F (set_pread_initialize)                                              \
  F (set_request_structured_replies) F (set_uri_allow_local_file)

struct libnbd {
#define LIBNBD_MEMBER(name) typeof (&nbd_##name) name;
  LIBNBD_FUNCTIONS (LIBNBD_MEMBER)
#undef LIBNBD_MEMBER
};

/* Valid and constant after libnbd_load has succeeded. */
extern struct libnbd libnbd;

/* Load libnbd at the first call.  Returns NULL, or why it can't be used, one
 * line.  By any thread.
 */
const char *libnbd_load (void);

#endif /* NBDZRAM_BACKING_LIBNBD_LOAD_H */
