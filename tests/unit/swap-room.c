/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The room that swapoff needs, with the kernel's files in a directory of the
 * test.
 */

#include <config.h>

#include <stdio.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/base/proc-swaps.h"
#include "command/swap/room.h"
#include "lib/base/util.h"
#include "tests/lib/kernel.h"

TEST (room_by_hand)
{
  static const struct {
    uint64_t used, available, free_swap, ram, missing;
  } rows[] = {
    /* If nothing is swapped out, it always fits. */
    { 0, 0, 0, 256, 0 },
    /* The margin is 16M, or a 32nd of memory. */
    { 100, 116, 0, 256, 0 },
    { 100, 115, 0, 256, 1 },
    { 100, 131, 0, 1024, 1 },
    { 100, 132, 0, 1024, 0 },
    /* Other swap counts in full. */
    { 100, 50, 66, 256, 0 },
    { 100, 50, 65, 256, 1 },
    { 100, 0, 0, 256, 116 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i) {
    struct swap_room r = {
      .used = rows[i].used * MIB, .available = rows[i].available * MIB,
      .free_swap = rows[i].free_swap * MIB, .ram = rows[i].ram * MIB,
    };

    if (swap_room_missing (&r) != rows[i].missing * MIB)
      fail_msg ("row %zu: %ju", i, (uintmax_t) swap_room_missing (&r));
  }
}

/* Page by page, while the pool frees nothing: if nothing was missing, the
 * margin is never used.
 */
TEST (room_by_simulation)
{
  struct rng rng = { .state = unit_seed () };
  unsigned promised = 0;

  for (unsigned run = 0; run < unit_scaled (20000); ++run) {
    struct swap_room r = {
      .used = rng_below (&rng, 4 * GIB),
      .available = rng_below (&rng, 4 * GIB),
      .free_swap = rng_below (&rng, 2) * rng_below (&rng, 2 * GIB),
      .ram = 4 * GIB,
    };
    int64_t room = (int64_t) (r.available + r.free_swap);

    if (r.used == 0 || swap_room_missing (&r) != 0)
      continue;
    promised++;
    for (uint64_t step = 1; step <= 64; ++step)
      assert_true (room - (int64_t) (r.used / 64 * step)
                   >= (int64_t) swap_room_margin (&r));
  }
  assert_true (promised > 0);
}

TEST (room_of_the_machine)
{
  char devices[2][32] = { "/dev/nbd0", "/dev/nbd3" };
  struct swap_room r;
  char text[256];

  kernel_put ("/proc/meminfo",
              "MemTotal:  1048576 kB\nMemAvailable:  204800 kB\n");
  kernel_put ("/proc/swaps", "Filename Type Size Used Priority\n"
              "/dev/nbd0  partition 1048576 512000 100\n"
              "/dev/nbd3  partition 1048576 102400 100\n"
              "/swap\\040file file 204800 102400 -2\n");
  assert_int_equal (swap_room_read (&r, devices, 2), 0);
  assert_int_equal (r.used, 600 * MIB);
  assert_int_equal (r.available, 200 * MIB);
  assert_int_equal (r.free_swap, 100 * MIB);
  assert_int_equal (r.ram, GIB);
  assert_int_equal (swap_room_missing (&r), 332 * MIB);
  assert_string_equal (swap_room_text (&r, text, sizeof text),
                       "600M are swapped out, but only 200M of memory and "
                       "100M of other swap on disks are free: end programs "
                       "that use 332M, or add as much other swap; --force "
                       "tries it anyway");
  assert_true (swap_find ("/swap file", NULL));
  assert_false (swap_find ("/dev/nbd1", NULL));
}

/* Swap in the memory of this machine is no room. */
TEST (room_of_other_swap)
{
  char devices[1][32] = { "/dev/nbd0" };
  struct swap_room r;

  kernel_put ("/nbdzram/near.attach", "{\"index\": 1, \"uri\": "
              "\"nbd+unix:///?socket=/run/nbdzram/near.sock\"}");
  kernel_put ("/nbdzram/far.attach",
              "{\"index\": 2, \"uri\": \"nbd://192.0.2.7\"}");
  kernel_put ("/proc/swaps", "Filename Type Size Used Priority\n"
              "/dev/nbd0 partition 1048576 512000 100\n"
              "/dev/zram0 partition 102400 0 100\n"
              "/dev/nbd1 partition 204800 0 100\n"
              "/dev/nbd2 partition 409600 0 100\n"
              "/dev/nbd12 partition 819200 0 100\n");
  assert_int_equal (swap_room_read (&r, devices, 1), 0);
  assert_int_equal (r.used, 500 * MIB);
  assert_int_equal (r.free_swap, 1200 * MIB);
  kernel_put_none ("/nbdzram/near.attach");
  kernel_put_none ("/nbdzram/far.attach");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (room_by_hand),
    cmocka_unit_test (room_by_simulation),
    cmocka_unit_test (room_of_the_machine),
    cmocka_unit_test (room_of_other_swap),
  };

  return cmocka_run_group_tests (tests, kernel_setup, kernel_teardown);
}
