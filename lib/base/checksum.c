/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <xxhash.h>

/* The header redirects XXH3_64bits to the dispatcher. */
#if defined HAVE_XXH_X86DISPATCH_H && defined HAVE_XXH3_64BITS_DISPATCH
#include <xxh_x86dispatch.h>
#endif

#include "checksum.h"

uint64_t
page_checksum (const void *page, size_t size)
{
  return XXH3_64bits (page, size);
}
