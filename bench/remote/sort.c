/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A workload: sort an array of records in place.
 *
 *   sort MIB [seed=N] [hold=1]
 *
 * Quicksort goes through the array from both ends, then through each half,
 * until a part fits in local memory: that is when swapping ends.
 *
 * A record has a random key, what the key tells, and what most records
 * have in common, as records of programs do: lz4 makes 3 to 1 of them.
 */

#include <config.h>

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/prng.h"

#include "workload.h"

#define PAGE 4096
#define FEW 16                  /* records that are not worth dividing */

struct record {
  uint64_t key, check, rest[6];
};

#define RECORDS (PAGE / sizeof (struct record)) /* on a page */

static struct record
record_of (uint64_t key)
{
  return (struct record) {
    .key = key,
    .check = ~key,
    .rest = { 1, 0x7f0000001000 + (key & 7), 0, 64, 0, key & 3 },
  };
}

static bool
is_right (const struct record *r)
{
  const struct record right = record_of (r->key);
  bool same = r->check == right.check;

  for (unsigned i = 0; i < 6; ++i)
    same &= r->rest[i] == right.rest[i];
  return same;
}

static void
swap (struct record *a, struct record *b)
{
  struct record c = *a;

  *a = *b;
  *b = c;
}

/* ---- sorting ---- */

static void
insertion_sort (struct record *first, size_t n)
{
  for (size_t i = 1; i < n; ++i) {
    struct record r = first[i];
    size_t j = i;

    for (; j > 0 && first[j - 1].key > r.key; --j)
      first[j] = first[j - 1];
    first[j] = r;
  }
}

static uint64_t
median_key (const struct record *first, size_t n)
{
  uint64_t a = first[0].key, b = first[n / 2].key, c = first[n - 1].key;

  if (a > b) {
    uint64_t t = a;

    a = b;
    b = t;
  }
  return c < a ? a : c > b ? b : c;
}

static bool
begins_page (const struct record *r)
{
  return (uintptr_t) r % PAGE == 0;
}

static bool
ends_page (const struct record *r)
{
  return (uintptr_t) (r + 1) % PAGE == 0;
}

/* Keys up to PIVOT come first, those from it on behind; how many are in
 * front: from 1 to N - 1, since the pivot is of the part, and not its
 * highest alone.  A page that is come to is timed.
 */
static size_t
divide (struct page_ins *p, struct record *first, size_t n, uint64_t pivot)
{
  struct record *low = first - 1, *high = first + n;

  for (;;) {
    do
      if (begins_page (++low))
        page_in (p, low);
    while (low->key < pivot);
    do
      if (ends_page (--high))
        page_in (p, high);
    while (high->key > pivot);
    if (low >= high)
      return (size_t) (high - first) + 1;
    swap (low, high);
  }
}

static void
sort (struct page_ins *p, struct record *first, size_t n)
{
  while (n > FEW) {
    size_t front = divide (p, first, n, median_key (first, n));

    if (front < n - front) {
      sort (p, first, front);
      first += front;
      n -= front;
    } else {
      sort (p, first + front, n - front);
      n = front;
    }
  }
  insertion_sort (first, n);
}

/* ---- all of it ---- */

/* The sum of the keys. */
static uint64_t
fill (struct record *records, size_t n, uint64_t seed)
{
  uint64_t sum = 0;

  for (size_t i = 0; i < n; ++i) {
    records[i] = record_of (next (&seed));
    sum += records[i].key;
  }
  return sum;
}

/* How much is wrong of N records in order, the same that were filled in. */
static uint64_t
verify (const struct record *records, size_t n, uint64_t sum)
{
  uint64_t wrong = 0;

  for (size_t i = 0; i < n; ++i) {
    if (!is_right (&records[i])
        || (i > 0 && records[i - 1].key > records[i].key)) {
      warnx ("record %zu is wrong", i);
      ++wrong;
    }
    sum -= records[i].key;
  }
  return wrong + (sum != 0);
}

int
main (int argc, char *argv[])
{
  struct workload w;
  struct record *records;
  uint64_t sum;
  size_t n;

  workload_start (&w, argc, argv, NULL, 0);
  n = w.mib * (1048576 / PAGE) * RECORDS;
  records = workload_memory (n * sizeof *records);
  sum = fill (records, n, w.seed);
  workload_begin (&w);
  sort (&w.page_ins, records, n);
  workload_end (&w);
  w.wrong = verify (records, n, sum);
  return workload_finish (&w);
}
