/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#include "libgcrypt-load.h"

/* The version of the ABI is part of the name. */
#define LIBRARY "libgcrypt.so.20"

/* The first version that has GCM-SIV. */
#define VERSION_MIN "1.10.0"

/* Bytes of its memory for secrets, which is locked: several times what the
 * ciphers of seal.c take.
 */
#define SECRET_BYTES 65536

struct libgcrypt libgcrypt;

static char problem[256];       /* why it can't be used, or empty */

static void
initialise (void)
{
  if (!libgcrypt.check_version (VERSION_MIN)) {
    snprintf (problem, sizeof problem, "it is version %s, and %s is needed",
              libgcrypt.check_version (NULL), VERSION_MIN);
    return;
  }
  /* Another user of it in this process may have done so. */
  if (libgcrypt.control (GCRYCTL_INITIALIZATION_FINISHED_P))
    return;
  /* Where memory can't be locked, it is used without. */
  libgcrypt.control (GCRYCTL_SUSPEND_SECMEM_WARN);
  libgcrypt.control (GCRYCTL_INIT_SECMEM, SECRET_BYTES, 0);
  libgcrypt.control (GCRYCTL_INITIALIZATION_FINISHED, 0);
}

static void
load_libgcrypt (void)
{
  void *library = dlopen (LIBRARY, RTLD_NOW | RTLD_LOCAL);

#define LOAD(name)                                                      \
  if (library)                                                          \
    libgcrypt.name = (typeof (libgcrypt.name)) dlsym (library,          \
                                                      "gcry_" #name);   \
  if (!libgcrypt.name && !problem[0])                                   \
    snprintf (problem, sizeof problem, "%s", dlerror ());
  LIBGCRYPT_FUNCTIONS (LOAD)
#undef LOAD
  if (!problem[0])
    initialise ();
}

const char *
libgcrypt_load (void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, load_libgcrypt);
  return problem[0] ? problem : NULL;
}
