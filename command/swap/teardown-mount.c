/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include "file-system.h"
#include "teardown-steps.h"

bool
teardown_is_mounted (const struct swap_teardown *t)
{
  char directory[PATH_MAX];

  for (unsigned i = 0; i < t->state.device_count; ++i)
    if (file_system_find (t->state.devices[i], directory))
      return true;
  return false;
}

bool
teardown_is_elsewhere (const struct swap_teardown *t, char where[PATH_MAX])
{
  char real[PATH_MAX];

  if (!t->directory || !realpath (t->directory, real))
    return false;
  for (unsigned i = 0; i < t->state.device_count; ++i)
    if (file_system_find (t->state.devices[i], where)
        && file_system_place (t->state.devices[i], real)
           == FILE_SYSTEM_ELSEWHERE)
      return true;
  return false;
}

int
teardown_unmount (struct swap_teardown *t)
{
  char directory[PATH_MAX], why[256];

  for (unsigned i = 0; i < t->state.device_count; ++i) {
    file_system_wait_programs (t->state.devices[i]);
    while (file_system_find (t->state.devices[i], directory)) {
      if (file_system_unmount (t->state.devices[i], directory, why,
                               sizeof why) == -1)
        return teardown_fail (t, directory, why);
      printf ("unmounted %s\n", directory);
    }
  }
  return 0;
}
