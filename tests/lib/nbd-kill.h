/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of nbd-kill share: its options, the pages of the disk and
 * what they should hold, and the server.
 */

#ifndef NBDZRAM_TESTS_LIB_NBD_KILL_H
#define NBDZRAM_TESTS_LIB_NBD_KILL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <libnbd.h>

#include "prng.h"

#define DEPTH 6                 /* requests in flight, per thread */
#define RUN 8                   /* pages in a row of one owner */

/* What a page may hold: as acknowledged, or as a request on it, not yet
 * answered, would make it.
 */
struct page {
  uint8_t *acked;
  uint8_t *pending;
  bool in_flight;
  uint32_t version;
};

enum kind { WRITE, WRITE_PART, TRIM, ZERO, KINDS };

struct op {
  enum kind kind;
  uint64_t first;               /* pages */
  unsigned count;
  uint32_t start, length;       /* bytes, from the first page */
  int64_t cookie;
  uint8_t *data;
};

struct worker {
  unsigned id;
  uint64_t random;
  struct nbd_handle *nbd;
  struct op ops[DEPTH];
};

/* Options. */
extern uint64_t seed;
extern unsigned rounds, threads, exports;
extern uint32_t page_size;
extern const char *socket_path, *pool, *control;
extern char **command;

extern uint64_t disk_size, n_pages;
extern struct page *pages;
extern unsigned round_now;
extern atomic_bool killed;      /* the server of this round */
extern uint64_t acknowledged, in_flight_seen;

void fail (const char *fmt, ...)
  __attribute__ ((noreturn, format (printf, 1, 2)));
void *allocate (size_t size);

/* ---- nbd-kill-server.c ---- */

pid_t start_server (void);
void kill_server (pid_t pid);

/* Connect to a server that may still be starting. */
struct nbd_handle *connect_to (pid_t server, unsigned export);
void for_each_export (pid_t server, void (*fn) (struct nbd_handle *nbd,
                                                unsigned export));

/* Seconds, from an arbitrary start. */
double now (void);
void sleep_us (uint64_t us);

/* Where pages are.  Runs go from export to export, and so from thread to
 * thread.
 */
unsigned export_of (uint64_t page);
uint64_t offset_of (uint64_t page);
uint64_t page_at (unsigned export, uint64_t offset);

/* ---- nbd-kill-requests.c ---- */

/* A thread: requests of the worker OPAQUE, until the server is killed. */
void *work (void *opaque);

/* ---- nbd-kill-check.c ---- */

/* What is there after the kill? */
void check_disk (struct nbd_handle *nbd, unsigned export);

/* ---- nbd-kill-maintain.c ---- */

/* A thread: have pages maintained, until the server is killed.  OPAQUE is
 * its random state.
 */
void *maintain (void *opaque);

/* Note what a server found in its pool, of which some must have survived;
 * fail for what must not be.
 */
void look_at_status (void);
bool all_survived (void);
void report_survivors (void);

#endif /* NBDZRAM_TESTS_LIB_NBD_KILL_H */
