/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <pthread.h>
#include <stdio.h>

#include "libgcrypt-load.h"
#include "load-library.h"

/* The version of the ABI is part of the name. */
#define LIBRARY "libgcrypt.so.20"

/* The first version that has GCM-SIV. */
#define VERSION_MIN "1.10.0"

/* Bytes of its memory for secrets, which is locked: several times what the
 * ciphers of seal.c take.
 */
#define SECRET_BYTES 65536

struct libgcrypt libgcrypt;

static struct library library;

static void
initialise (void)
{
  if (!libgcrypt.check_version (VERSION_MIN)) {
    snprintf (library.problem, sizeof library.problem,
              "it is version %s, and %s is needed",
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
  library_open (&library, LIBRARY);
#define LOAD(name)                                                      \
  libgcrypt.name                                                        \
    = (typeof (libgcrypt.name)) library_find (&library, "gcry_" #name);
  LIBGCRYPT_FUNCTIONS (LOAD)
#undef LOAD
  if (!library_problem (&library))
    initialise ();
}

const char *
libgcrypt_load (void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once (&once, load_libgcrypt);
  return library_problem (&library);
}
