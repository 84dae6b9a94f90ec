/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#include "libnbd-load.h"

/* Its name says which functions it has, and never changes otherwise. */
#define LIBRARY "libnbd.so.0"

struct libnbd libnbd;

static char missing[256];       /* why it can't be used, or empty */

static void
load (void)
{
  void *library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);

#define LOAD(name)                                                      \
  if (library)                                                          \
    libnbd.name = (typeof (libnbd.name)) dlsym (library, "nbd_" #name); \
  if (!libnbd.name && !missing[0])                                      \
    snprintf (missing, sizeof missing, "%s", dlerror ());
  LIBNBD_FUNCTIONS (LOAD)
#undef LOAD
}

const char *
libnbd_load (void)
{
  /* Another far end's threads may be using it. */
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, load);
  return missing[0] ? missing : NULL;
}
