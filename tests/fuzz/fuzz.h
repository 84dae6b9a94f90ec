/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of a fuzz target.  libFuzzer calls only the first one;
 * driver.c, which replaces libFuzzer, calls both.
 */

#ifndef NBDZRAM_TESTS_FUZZ_FUZZ_H
#define NBDZRAM_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "tests/lib/unit.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Write an input to BUF that the driver mutates.  Returns its size, at most
 * ROOM.
 */
size_t fuzz_example (uint8_t *buf, size_t room, struct rng *rng);

/* How many inputs the driver tries. */
extern const unsigned fuzz_inputs;

#endif /* NBDZRAM_TESTS_FUZZ_FUZZ_H */
