/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded into a server: memory is never locked, as in a sandbox that
 * accepts mlockall and does nothing.
 */

#include <config.h>

#include <sys/mman.h>

__attribute__ ((visibility ("default"))) int
mlockall (int flags)
{
  (void) flags;
  return 0;
}
