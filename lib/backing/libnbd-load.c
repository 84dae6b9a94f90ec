/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#include "libnbd-load.h"

/* The version of the ABI is part of the name. */
#define LIBRARY "libnbd.so.0"

struct libnbd libnbd;

static char problem[256];       /* why it can't be used, or empty */

static void
load_libnbd (void)
{
  void *library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);

#define LOAD(name)                                                      \
  if (library)                                                          \
    libnbd.name = (typeof (libnbd.name)) dlsym (library, "nbd_" #name); \
  if (!libnbd.name && !problem[0])                                      \
    snprintf (problem, sizeof problem, "%s", dlerror ());
  LIBNBD_FUNCTIONS (LOAD)
#undef LOAD
}

const char *
libnbd_load (void)
{
  /* Threads of another NBD client may be using it already. */
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, load_libnbd);
  return problem[0] ? problem : NULL;
}
