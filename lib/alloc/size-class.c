/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <assert.h>

#include "lib/base/util.h"

#include "size-class.h"

/* Return how many objects of SIZE bytes fit in a zspage: of 1632 bytes, 40
 * fit in 65536.
 */
static uint32_t
objects_of (const struct size_classes *sc, uint32_t size)
{
  return MIN (sc->zspage_size / size, ZSPAGE_OBJECTS_MAX);
}

/* Return whether STEPS is the largest size of which as many objects fit in a
 * zspage.  Where the number of objects is capped, every size is a class.
 */
static bool
is_largest_of_its_count (const struct size_classes *sc, uint32_t steps)
{
  uint32_t size = steps * sc->step;
  uint32_t objects = objects_of (sc, size);

  return objects == ZSPAGE_OBJECTS_MAX
    || objects != objects_of (sc, size + sc->step);
}

void
size_classes_init (struct size_classes *sc, uint32_t page_size)
{
  uint32_t steps, from = 0;

  assert (is_power_of_2 (page_size) && page_size >= SIZE_STEPS);

  *sc = (struct size_classes) {
    .page_size = page_size,
    .zspage_size = page_size * ZSPAGE_PAGES,
    .step = page_size / SIZE_STEPS,
  };

  for (steps = 1; steps <= SIZE_STEPS; ++steps) {
    uint32_t size = steps * sc->step;

    if (steps < SIZE_STEPS && !is_largest_of_its_count (sc, steps))
      continue;
    sc->classes[sc->count] = (struct size_class) {
      .size = size,
      .objects = objects_of (sc, size),
    };
    while (from <= steps)
      sc->of_step[from++] = (uint8_t) sc->count;
    sc->count++;
  }
}
