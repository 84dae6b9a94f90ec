/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What generator-print.c and print-algorithms.c share. */

#ifndef NBDZRAM_COMMAND_IMPORT_PRINT_ALGORITHMS_H
#define NBDZRAM_COMMAND_IMPORT_PRINT_ALGORITHMS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "command/conf/conf.h"

#include "generator.h"

struct printing {
  const struct generator_device *device;
  uint64_t ram;                 /* megabytes */
  FILE *out;
  struct conf conf;             /* what was printed */
};

/* Prints "KEY = VALUE"; or, if that can't be, a comment that tells why, and
 * returns false.
 */
bool print_setting (struct printing *p, const char *key, const char *value);

/* Prints algorithm and recompress for TEXT, the value of
 * compression-algorithm, which may be NULL.
 */
void print_algorithms (struct printing *p, const char *text);

#endif /* NBDZRAM_COMMAND_IMPORT_PRINT_ALGORITHMS_H */
