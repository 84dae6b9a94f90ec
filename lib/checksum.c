/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <xxhash.h>

#include "checksum.h"

uint64_t
page_checksum (const void *page, size_t size)
{
  return XXH3_64bits (page, size);
}
