/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the benchmarks share: time, the data set, chance that repeats
 * itself, and the table of results.
 */

#ifndef NBDZRAM_BENCH_MEASURE_H
#define NBDZRAM_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#define DATA_PAGE 4096

/* Seconds, from an arbitrary start. */
double now (void);

/* Sorts the N > 0 values. */
double median (double *values, size_t n);

/* A data file: memory pages one after the other. */
struct data {
  const uint8_t *pages;
  size_t count;
};

/* Map at most MAX_PAGES (0: all) of the file at PATH.  Ends the program
 * with a message when that can't be done, or the file holds no page.
 */
struct data data_open (const char *path, size_t max_pages);

static inline const uint8_t *
data_page (const struct data *data, size_t n)
{
  return data->pages + n * DATA_PAGE;
}

/* The next number of a fixed sequence (splitmix64). */
uint64_t prng (uint64_t *state);

/* A random order of 0 ... N-1, for the caller to free. */
uint32_t *shuffled (size_t n, uint64_t seed);

/* malloc, and the argument of an option that must be a number from MIN
 * on, for programs that end when they fail.
 */
void *must_alloc (size_t size);
uint64_t must_number (const char *option, const char *s, uint64_t min);

/* One row of the table: what, the value, the target beside it, details.
 * A target says what was aimed at; missing it fails nothing.
 */
enum aim { NO_TARGET, AT_LEAST, AT_MOST };

void table_head (void);
void table_row (const char *what, double value, enum aim aim, double target,
                const char *details);

#endif /* NBDZRAM_BENCH_MEASURE_H */
