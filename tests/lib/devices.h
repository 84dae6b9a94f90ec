/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool for tests with several devices, and pages known by a seed. */

#ifndef NBDZRAM_TESTS_LIB_DEVICES_H
#define NBDZRAM_TESTS_LIB_DEVICES_H

#include "lib/store/devices.h"
#include "tests/lib/unit.h"

#define PAGE 4096

extern struct unit_pool u;

/* Open U.  LIMIT is mem_limit. */
void open_pool (uint64_t limit);

/* Write the pages FIRST up to END, or check them. */
void fill (struct device *d, uint64_t first, uint64_t end, uint64_t seed);
void verify (struct device *d, uint64_t first, uint64_t end, uint64_t seed);
void verify_zero (struct device *d, uint64_t first, uint64_t end);

/* Write pages until one is refused with ERROR.  Returns how many were written.
 */
uint64_t fill_up (struct device *d, int error, uint64_t seed);

/* An algorithm stronger than lz4hc, if one is built in. */
struct algorithm strong (void);

slot_t slot_at (struct device *d, uint64_t index);

#endif /* NBDZRAM_TESTS_LIB_DEVICES_H */
