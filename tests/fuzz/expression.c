/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translates arbitrary text as an expression of zram-generator.  A translation
 * must have the same value on machines of any size.
 */

#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/import/expression.h"
#include "lib/base/util.h"
#include "service/parse-size.h"

#include "fuzz.h"

#define TEXT_SIZE 512

const unsigned fuzz_inputs = 50000;

/* Megabytes. */
static const uint64_t machines[] = { 1000, 64, 4096, 1000000 };

/* Do both have the same value on a machine of RAM megabytes?  Values of which
 * ours can have only one, below zero or too large, count for nothing.
 */
static void
compare (const char *text, const char *ours, uint64_t ram)
{
  char error[CONF_ERROR_SIZE];
  struct expression e;
  uint64_t bytes;
  double wanted;

  if (expression_parse (text, ram, &e, error, sizeof error) == -1)
    abort ();
  wanted = e.megabytes * MIB;
  if (!(wanted >= 0 && wanted < (double) (UINT64_C (1) << 50))
      || parse_size (ours, ram * MIB, &bytes, error, sizeof error) == -1)
    return;
  if (fabs ((double) bytes - wanted) <= 64 + wanted * 1e-6)
    return;
  fprintf (stderr, "'%s' is %f, but '%s' is %ju with %ju MB\n", text, wanted,
           ours, (uintmax_t) bytes, (uintmax_t) ram);
  abort ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  char text[TEXT_SIZE], error[CONF_ERROR_SIZE];
  struct expression e;

  snprintf (text, sizeof text, "%.*s", (int) MIN (size, sizeof text - 1),
            (const char *) data);
  if (expression_parse (text, machines[0], &e, error, sizeof error) == -1)
    return 0;
  for (size_t i = 0; e.size[0] && i < ARRAY_SIZE (machines); ++i)
    compare (text, e.size, machines[i]);
  return 0;
}

/* ---- examples ---- */

static char *
append (char *at, const char *text)
{
  return stpcpy (at, text);
}

/* Writes an operand or an expression of at most DEPTH levels. */
static char *
append_random (char *at, unsigned depth, struct rng *rng)
{
  static const char *const leaves[] = {
    "ram", "ram", "ram", "2", "4096", "0.5", "3", "1.5", "1000", "7",
  };
  static const char *const operators[] = {
    " + ", " - ", " * ", " / ", "*", "-", " / ", " % ", "^", " < ",
  };
  static const char *const functions[] = {
    "min", "max", "int", "round", "-", "", "", "", "",
  };
  unsigned kind = (unsigned) rng_below (rng, depth == 0 ? 1 : 4);

  if (kind == 0)
    return append (at, leaves[rng_below (rng, ARRAY_SIZE (leaves))]);
  if (kind == 1) {
    at = append (at, functions[rng_below (rng, ARRAY_SIZE (functions))]);
    at = append (at, "(");
    at = append_random (at, depth - 1, rng);
    if (rng_below (rng, 4) == 0) {
      at = append (at, ", ");
      at = append_random (at, depth - 1, rng);
    }
    return append (at, ")");
  }
  at = append_random (at, depth - 1, rng);
  at = append (at, operators[rng_below (rng, ARRAY_SIZE (operators))]);
  return append_random (at, depth - 1, rng);
}

size_t
fuzz_example (uint8_t *buf, size_t room, struct rng *rng)
{
  char text[1024];
  size_t length;

  append_random (text, 1 + (unsigned) rng_below (rng, 4), rng);
  length = MIN (strlen (text), room);
  memcpy (buf, text, length);
  return length;
}
