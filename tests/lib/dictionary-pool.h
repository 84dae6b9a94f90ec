/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool that compresses with dictionaries, with a device and pages that are
 * known by their tags.
 */

#ifndef NBDZRAM_TESTS_LIB_DICTIONARY_POOL_H
#define NBDZRAM_TESTS_LIB_DICTIONARY_POOL_H

#include "lib/store/devices.h"
#include "unit.h"

#define PAGE 4096
#define PAGES 64                /* of each generation */
#define LENGTH 20000            /* of a dictionary */

extern struct unit_pool u;
extern struct device *device;

/* For cmocka: a new pool for each test. */
int open_pool (void **state);
int close_pool (void **state);

#define WITH_POOL(f) cmocka_unit_test_setup_teardown (f, open_pool, close_pool)

/* Find the device in a pool that was opened again; reopen does both. */
void find_device (void);
void reopen (void);

/* The LENGTH bytes of dictionary TAG, until the next call. */
const uint8_t *content_of (uint64_t tag);
int use_dictionary (uint64_t tag);

void page_of (uint64_t tag, uint8_t page[PAGE]);
void put (uint64_t index, uint64_t tag);
void compare (uint64_t index, uint64_t tag);

/* Pages of generation G are at G * PAGES; their tag is their index. */
void put_all (unsigned g);
void compare_all (unsigned g);

/* How many pages need a generation. */
uint64_t slots_of (unsigned generation);

#endif /* NBDZRAM_TESTS_LIB_DICTIONARY_POOL_H */
