/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target without libFuzzer, on examples with few or many
 * mutations and on noise.  With arguments, it runs the target on these
 * files.
 */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/util.h"

#include "fuzz.h"

#define INPUT_MAX 8192

static uint8_t input[INPUT_MAX];

static size_t
make_noise (struct rng *rng)
{
  size_t size = rng_below (rng, 600);

  for (size_t i = 0; i < size; ++i)
    input[i] = (uint8_t) rng_next (rng);
  return size;
}

static size_t
mutate (struct rng *rng, size_t size)
{
  for (uint64_t n = rng_below (rng, 1 + rng_below (rng, 20)); n > 0; --n) {
    size_t at = rng_below (rng, size);

    switch (rng_below (rng, 4)) {
    case 0:
      input[at] ^= (uint8_t) (1 << rng_below (rng, 8));
      break;
    case 1:
      input[at] = (uint8_t) rng_next (rng);
      break;
    case 2:
      input[at] = rng_below (rng, 2) ? 0xff : 0;
      break;
    default:
      memmove (input + at, input + rng_below (rng, size),
               MIN (size - at, rng_below (rng, 16)) / 2);
    }
  }
  return rng_below (rng, 8) == 0 ? 1 + rng_below (rng, size) : size;
}

/* Use a block of exactly SIZE bytes, so that reading past it is detected. */
static void
try (size_t size)
{
  uint8_t *copy = malloc (MAX (size, 1));

  if (!copy)
    abort ();
  memcpy (copy, input, size);
  LLVMFuzzerTestOneInput (copy, size);
  free (copy);
}

static void
replay (const char *path)
{
  FILE *fp = fopen (path, "re");

  if (!fp) {
    perror (path);
    exit (1);
  }
  try (fread (input, 1, sizeof input, fp));
  fclose (fp);
}

int
main (int argc, char *argv[])
{
  struct rng rng;

  for (int i = 1; i < argc; ++i)
    replay (argv[i]);
  if (argc > 1)
    return 0;

  rng.state = unit_seed ();
  for (unsigned n = unit_scaled (fuzz_inputs); n > 0; --n) {
    size_t size = n % 8 == 0 ? make_noise (&rng)
      : mutate (&rng, fuzz_example (input, sizeof input, &rng));

    try (size);
  }
  return 0;
}
