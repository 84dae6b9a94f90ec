/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of seal.c where libgcrypt is left out: no backing file with a key
 * can be opened.
 */

#include <config.h>

#include <errno.h>

#include "lib/base/util.h"

#include "seal.h"

int
seals_open (struct backing *b, const struct backing_options *o,
            struct backing_error *error)
{
  (void) b;
  (void) o;
  return backing_error_set_detail (error, "its key needs libgcrypt, and this "
                                   "was built without");
}

void
seals_close (struct backing *b)
{
  (void) b;
}

int
seal_block (struct backing *b, uint32_t block, void *content)
{
  (void) b;
  (void) block;
  (void) content;
  return fail_with (ENOTSUP);
}

int
seals_unseal (struct backing *b, void *buf, size_t len, uint64_t offset)
{
  (void) b;
  (void) buf;
  (void) len;
  (void) offset;
  return fail_with (ENOTSUP);
}

int
seals_renew_key (struct backing *b)
{
  (void) b;
  return fail_with (ENOTSUP);
}
