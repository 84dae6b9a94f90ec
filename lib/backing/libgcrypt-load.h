/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libgcrypt, which is loaded only when a backing file is encrypted, so that
 * other servers don't have it in memory.
 */

#ifndef NBDZRAM_BACKING_LIBGCRYPT_LOAD_H
#define NBDZRAM_BACKING_LIBGCRYPT_LOAD_H

#include <gcrypt.h>

/* The functions that are used, without their prefix "gcry_". */
#define LIBGCRYPT_FUNCTIONS(F)                                          \
  F (check_version) F (control) F (cipher_close) F (cipher_ctl)         \
  F (cipher_decrypt) F (cipher_encrypt) F (cipher_gettag)               \
  F (cipher_open) F (cipher_setiv) F (cipher_setkey)

struct libgcrypt {
#define LIBGCRYPT_MEMBER(name) typeof (&gcry_##name) name;
  LIBGCRYPT_FUNCTIONS (LIBGCRYPT_MEMBER)
#undef LIBGCRYPT_MEMBER
};

/* Valid and constant after libgcrypt_load has succeeded. */
extern struct libgcrypt libgcrypt;

/* Load libgcrypt at the first call.  Returns NULL, or why it can't be used,
 * one line.  By any thread.
 */
const char *libgcrypt_load (void);

#endif /* NBDZRAM_BACKING_LIBGCRYPT_LOAD_H */
