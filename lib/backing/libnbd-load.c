/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <pthread.h>

#include "libnbd-load.h"
#include "load-library.h"

/* The version of the ABI is part of the name. */
#define LIBRARY "libnbd.so.0"

struct libnbd libnbd;

static struct library library;

static void
load_libnbd (void)
{
  library_open (&library, LIBRARY);
#define LOAD(name)                                                      \
  libnbd.name = (typeof (libnbd.name)) library_find (&library, "nbd_" #name);
  LIBNBD_FUNCTIONS (LOAD)
#undef LOAD
}

const char *
libnbd_load (void)
{
  /* Threads of another NBD client may be using it already. */
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, load_libnbd);
  return library_problem (&library);
}
