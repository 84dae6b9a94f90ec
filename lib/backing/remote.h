/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An export that has the blocks of a backing file, or of a half of one: a
 * far end, and what must be so before something is written there.
 */

#ifndef NBDZRAM_BACKING_REMOTE_H
#define NBDZRAM_BACKING_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backing_stats;
struct nbd_client;
struct nbd_client_options;

struct remote {
  struct nbd_client *nbd_client;
  bool (*is_right) (void *opaque, const void *block);
  void *opaque;
  uint64_t write_from;          /* milliseconds: not before; all ones: not
                                 * soon after it is found */
  uint64_t looked_at;           /* milliseconds: at its header; 0: it has
                                 * none yet */
};

/* Connect, as nbd_client_open does with O.  HAS_PAGES says that an earlier
 * process may have written to this disk.  0, or -1 with what is wrong, one
 * line, in ERROR of SIZE bytes.
 */
int remote_open (struct remote *d, const struct nbd_client_options *o,
                 bool has_pages, char *error, size_t size);

/* Before a fork, and after it.  IS_RIGHT is called with the first block, by
 * threads of the far end and by those that write.
 */
void remote_disconnect (struct remote *d);
int remote_start (struct remote *d,
                  bool (*is_right) (void *opaque, const void *block),
                  void *opaque);

/* End the threads that call IS_RIGHT; close does so, too. */
void remote_stop (struct remote *d);
void remote_close (struct remote *d);

/* These give 0, or -1 with errno of the far end. */
int remote_read (struct remote *d, void *buf, size_t len, uint64_t offset,
                 bool patient);

/* May something be written or trimmed?  Waits for a moment when that is too
 * soon.  EIO: it no longer is the right one.
 */
int remote_wait_to_write (struct remote *d);

/* Is it the right one now?  0, or -1 as above. */
int remote_verify_header (struct remote *d);

/* What a trim that may yet be done is not to hit comes later than that. */
void remote_delay_writes (struct remote *d);

/* Trim all from END to SIZE, where that can be.  That a server does not like
 * to does not matter; -1: it may do so later, or there is none.
 */
int remote_trim_from (struct remote *d, uint64_t end, uint64_t size);

/* Add its connections to what is counted in *ST. */
void remote_count (const struct remote *d, struct backing_stats *st);

#endif /* NBDZRAM_BACKING_REMOTE_H */
