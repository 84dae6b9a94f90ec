/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dlfcn.h>
#include <stddef.h>

#include "libnbd-load.h"

/* Its name says which functions it has, and never changes otherwise. */
#define LIBRARY "libnbd.so.0"

struct libnbd libnbd;

const char *
libnbd_load (void)
{
  void *library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);

  if (!library)
    return dlerror ();
#define LOAD(name)                                                      \
  libnbd.name = (typeof (libnbd.name)) dlsym (library, "nbd_" #name);   \
  if (!libnbd.name)                                                     \
    return dlerror ();
  LIBNBD_FUNCTIONS (LOAD)
#undef LOAD
  return NULL;
}
