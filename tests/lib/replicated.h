/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replicated pair on two fake servers, with objects that are known by their
 * tags.
 */

#ifndef NBDZRAM_TESTS_LIB_REPLICATED_H
#define NBDZRAM_TESTS_LIB_REPLICATED_H

#include <unistd.h>

#include "lib/backing/replicated.h"
#include "tests/fake/server.h"
#include "tests/lib/backing.h"

#define DISK (8 * MIB)
#define SLOTS 300

/* Seconds: longer than anything takes that must succeed. */
#define LONG 600

struct disk {
  struct fake_server *replicas[BACKING_REPLICAS];
  struct backing_record record;
  struct backing_room sums;
  struct backing_key key;
  uint8_t key_bytes[BACKING_KEY_SIZE];
  struct backing_options options;
  struct backing backing;
  struct budget budget;
  struct backing_batch *batch;
  struct rng rng;
  struct backing_error error;
  uint64_t offsets[SLOTS];      /* 0: not there */
  uint32_t tags[SLOTS];
};

/* Wait until the condition is true. */
#define EVENTUALLY(condition)                                           \
  for (unsigned i_ = 0; !(condition); ++i_) {                           \
    if (i_ > 12000)                                                     \
      fail_msg ("line %d: not in time: %s", __LINE__, #condition);      \
    usleep (5000);                                                      \
  }

extern _Atomic unsigned said;   /* lines of the log */

/* The log of the backing file. */
void count_line (const char *text);

/* ---- opening ---- */

int try_open (struct disk *d, const char *path, const char *other);
/* Check that it can't be opened, and why. */
void assert_refused (struct disk *d, const char *path, const char *other,
                     enum backing_error_reason reason);
void assert_unusable (struct disk *d, const char *path, const char *other,
                      const char *words);
/* Fail with the error of the last try. */
void fail_open (const struct disk *d);

/* Start the servers; nothing is opened yet. */
struct disk *new_disk (void);
void open_disk (struct disk *d, const char *path, const char *other);
/* Open both replicas in a random order, which must not matter. */
void open_both (struct disk *d);
/* The start waits only a moment for a connection, so wait here for both. */
void open_complete (struct disk *d);
/* Start the servers, and open both replicas. */
struct disk *start_disk (void);

void close_disk (struct disk *d);
/* After its backing file was closed. */
void free_disk (struct disk *d);
/* Do both. */
void stop_disk (struct disk *d);

/* ---- the replicas ---- */

/* The number of the replica on server N. */
unsigned member_of (struct disk *d, unsigned n);
/* What is known of the replica on server N. */
struct backing_replica look_at (struct disk *d, unsigned n);
bool is_connected (struct disk *d, unsigned n);
/* With all of them, none has still to notice that it ended. */
bool has_all_connections (struct disk *d, unsigned n);

/* Of the pair. */
enum backing_state state_of (struct disk *d);
uint64_t size_of (struct disk *d);
/* Resync as long as that is possible.  Are both in sync now? */
bool resynced (struct disk *d);

/* End server N, or start it again, until that is noticed. */
void leave (struct disk *d, unsigned n);
void come_back (struct disk *d, unsigned n, enum fake_disk disk);

/* ---- pages ---- */

/* Write new objects to slots FROM to END. */
int put (struct disk *d, unsigned from, unsigned end);
void put_in_time (struct disk *d, unsigned from, unsigned end);
void drop (struct disk *d, unsigned n);

/* 1: slot N has its object, 0: another one, -1: it can't be read. */
int try_read (struct disk *d, unsigned n, bool patient);

/* Each slot can be read, or none. */
void assert_all (struct disk *d);
void assert_none (struct disk *d);
/* Each replica has all pages, or the same encrypted ones. */
void assert_both (struct disk *d);

#endif /* NBDZRAM_TESTS_LIB_REPLICATED_H */
