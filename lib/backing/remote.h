/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A remote disk that another program may take over.
 *
 * It adds to the NBD client what must be true before something is written:
 * a predecessor's requests have ended, and the first block, a header, is
 * still the right one.
 */

#ifndef NBDZRAM_BACKING_REMOTE_H
#define NBDZRAM_BACKING_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbd_client;
struct nbd_client_options;

struct remote {
  struct nbd_client *nbd_client;
  bool (*is_right) (void *opaque, const void *block);
  void *opaque;
  uint64_t write_from;          /* milliseconds: no write before that; all
                                 * ones: to be set when it is connected */
  uint64_t verified_at;         /* milliseconds: when its header was read; 0:
                                 * it has no header yet */
};

/* Connect, as nbd_client_open does with O.  HAS_PAGES says that an earlier
 * process may have written to this disk.  0, or -1 with what is wrong, one
 * line, in ERROR of SIZE bytes.
 */
int remote_open (struct remote *d, const struct nbd_client_options *o,
                 bool has_pages, char *error, size_t size);

/* Before a fork, and after it.  IS_RIGHT is called with the first block, by
 * threads of the NBD client and by those that write.
 */
void remote_disconnect (struct remote *d);
int remote_start (struct remote *d,
                  bool (*is_right) (void *opaque, const void *block),
                  void *opaque);

/* End the threads that call IS_RIGHT; close does so, too. */
void remote_stop (struct remote *d);
void remote_close (struct remote *d);

/* The functions below return 0, or -1 with errno of the NBD client. */

int remote_read (struct remote *d, void *buf, size_t len, uint64_t offset,
                 bool patient);

/* Check that something may be written or trimmed.  Waits a moment when it is
 * too early.  EIO: this is no longer the right disk.
 */
int remote_wait_to_write (struct remote *d);

/* Check now that it is the right disk. */
int remote_verify_header (struct remote *d);

/* A trim may still be executed: delay what is written from now on, so that
 * it comes after that trim.
 */
void remote_delay_writes (struct remote *d);

/* Trim all from END to SIZE, if the server can trim.  An error of the server
 * is ignored.  Returns -1 if the trim may be executed later, or there is no
 * connection.
 */
int remote_trim_from (struct remote *d, uint64_t end, uint64_t size);

#endif /* NBDZRAM_BACKING_REMOTE_H */
