/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <stdio.h>
#include <string.h>

#include "command/base/output.h"
#include "lib/base/util.h"

#include "room.h"

/* So much stays free for the kernel and for programs that go on running. */
#define MARGIN_LEAST (16 * MIB)

uint64_t
swap_room_margin (const struct swap_room *r)
{
  return MAX (r->ram / 32, MARGIN_LEAST);
}

uint64_t
swap_room_missing (const struct swap_room *r)
{
  uint64_t have = r->available + r->free_swap;
  uint64_t need = r->used + swap_room_margin (r);

  if (r->used == 0)
    return 0;
  return need > have ? need - have : 0;
}

const char *
swap_room_text (const struct swap_room *r, char *text, size_t size)
{
  char used[TEXT_SIZE], available[TEXT_SIZE], other[TEXT_SIZE];
  char missing[TEXT_SIZE];

  snprintf (text, size, "%s are swapped out, but only %s of memory and %s "
            "of other swap on disks are free: end programs that use %s, or "
            "add as much other swap; --force tries it anyway",
            text_of_size (used, r->used),
            text_of_size (available, r->available),
            text_of_size (other, r->free_swap),
            text_of_size (missing, swap_room_missing (r)));
  return text;
}
