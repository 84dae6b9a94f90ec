/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device with a backing file, whose pages are known by their tags. */

#ifndef NBDZRAM_TESTS_LIB_WRITEBACK_H
#define NBDZRAM_TESTS_LIB_WRITEBACK_H

#include "lib/backing/backing.h"
#include "lib/maintenance/stats.h"
#include "lib/maintenance/writeback.h"
#include "tests/lib/unit.h"

#define PAGE 4096
#define PAGES 2000

struct fixture {
  struct unit_pool u;
  struct device *d;
  uint64_t tags[PAGES];         /* 0: never written */
};

extern struct rng rng;
extern char backing_path[128];
extern struct backing_error refusal; /* of the last try_attach */

/* Before the first test: choose the seed and the path. */
void writeback_tests_begin (void);

/* Attach the pool, of which unit_detach was called.  BACKING is its backing
 * file, or NULL.  0, or -1; then "started" or "refusal" says why.
 */
int try_attach (struct fixture *f, const char *backing, uint64_t size);
/* Open a new pool and a new file of SIZE bytes, or of 16 MiB. */
void open_with (struct fixture *f, enum dedup_mode dedup, uint64_t size);
void open_disk (struct fixture *f);
void close_disk (struct fixture *f);
/* Close and open again. */
void reattach (struct fixture *f);

/* Bytes of a page, determined by TAG. */
void page_of_tag (uint8_t *page, uint64_t tag);
/* Write a page, with TAG, or with a random one. */
void put_tag (struct fixture *f, uint64_t index, uint64_t tag);
void put (struct fixture *f, uint64_t index);
/* Write all pages. */
void fill (struct fixture *f);
void assert_page (struct fixture *f, uint64_t i);
/* Check all pages. */
void assert_content (struct fixture *f);

struct stats stats_of (struct fixture *f);
/* Write all pages of the type back. */
struct writeback_result write_back (struct fixture *f, enum page_type type);
/* Recompress pages in groups. */
void group_pages (struct fixture *f);

#endif /* NBDZRAM_TESTS_LIB_WRITEBACK_H */
