/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/alloc/size-class.h"
#include "lib/base/os.h"
#include "lib/store/slot.h"

static void
check_class (const struct size_classes *sc, uint32_t c)
{
  const struct size_class *cls = &sc->classes[c];

  assert_int_equal (cls->size % sc->step, 0);
  assert_uint_in_range (cls->objects, 1, ZSPAGE_OBJECTS_MAX);
  assert_true (cls->size * cls->objects <= sc->zspage_size);
  if (c > 0)
    assert_true (cls->size > sc->classes[c - 1].size);
  /* Fewer objects of the next larger size fit, unless the number is capped. */
  assert_true (cls->objects == ZSPAGE_OBJECTS_MAX || c == sc->count - 1
               || sc->zspage_size / (cls->size + sc->step) < cls->objects);
}

static void
check_sizes (const struct size_classes *sc)
{
  for (uint32_t size = 1; size <= sc->page_size; ++size) {
    uint32_t c = size_class_of (sc, size);

    assert_true (c < sc->count);
    assert_true (sc->classes[c].size >= size);
    if (c > 0)
      assert_true (sc->classes[c - 1].size < size);
  }
}

static void
check_page_size (uint32_t page_size)
{
  struct size_classes sc;
  const struct size_class *huge;

  size_classes_init (&sc, page_size);
  assert_int_equal (sc.page_size, page_size);
  assert_int_equal (sc.zspage_size, page_size * ZSPAGE_PAGES);
  assert_true (sc.count <= SIZE_CLASSES_MAX);
  /* Slots name objects in these units. */
  assert_int_equal (sc.step % SLOT_STORED_UNIT, 0);
  for (uint32_t c = 0; c < sc.count; ++c)
    check_class (&sc, c);
  check_sizes (&sc);

  huge = &sc.classes[size_class_huge (&sc)];
  assert_int_equal (huge->size, page_size);
  assert_int_equal (huge->objects, ZSPAGE_PAGES);
  assert_int_equal (size_class_of (&sc, page_size), size_class_huge (&sc));
  assert_true (size_class_largest (&sc) < page_size);
}

TEST (every_page_size)
{
  for (uint32_t page_size = 4096; page_size <= 65536; page_size *= 2)
    check_page_size (page_size);
}

TEST (as_documented)
{
  struct size_classes sc;

  size_classes_init (&sc, 4096);
  assert_int_equal (sc.step, 32);
  assert_int_equal (sc.zspage_size, 65536);
  assert_int_equal (size_class_huge (&sc), 73);
  assert_int_equal (size_class_largest (&sc), 3840);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (every_page_size),
    cmocka_unit_test (as_documented),
  };

  return cmocka_run_group_tests_name ("size-class", tests, NULL, NULL);
}
