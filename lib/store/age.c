/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "age.h"

#define STEPS_PER_OCTAVE 16

/* The logarithm of the step in which AGE counts. */
static unsigned
octave (uint8_t age)
{
  return age < STEPS_PER_OCTAVE
    ? 0 : (age - STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE;
}

uint64_t
age_seconds (uint8_t age)
{
  if (age < STEPS_PER_OCTAVE)
    return age;
  return (uint64_t) (STEPS_PER_OCTAVE + age % STEPS_PER_OCTAVE)
    << octave (age);
}

uint8_t
age_of_seconds (uint64_t seconds)
{
  uint8_t age = 0;

  while (age < AGE_MAX && age_seconds (age) < seconds)
    age++;
  return age;
}

static uint8_t
older_by (uint8_t age, uint64_t from, uint64_t to)
{
  while (age < AGE_MAX) {
    uint64_t next = ((from >> octave (age)) + 1) << octave (age);

    if (next > to)
      break;
    from = next;
    age++;
  }
  return age;
}

void
age_steps (uint64_t from, uint64_t to, uint8_t older[AGE_CODES])
{
  for (unsigned age = 0; age < AGE_CODES; ++age)
    older[age] = older_by ((uint8_t) age, from, to);
}
