/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/mutex.h"
#include "lib/base/os.h"
#include "lib/base/util.h"

#include "libgcrypt-load.h"
#include "seal.h"

/* One for the thread that writes, which so has it in its cache, and one for
 * each thread that reads at the same time; if there are more threads, they
 * wait for each other, a microsecond or two.
 */
#define WRITER 0
#define READER 1                /* the first one */
#define CIPHERS 8

/* A cipher of libgcrypt has less than this. */
#define CIPHER_BYTES OS_PAGE_SIZE

#define NONCE_SIZE 12

struct cipher {
  _Alignas (CACHE_LINE) pthread_mutex_t lock;
  gcry_cipher_hd_t handle;
};

struct sealer {
  uint8_t *key;                 /* in the pool file */
  _Atomic uint32_t turn;        /* the reader's cipher to try first */
  uint32_t salt;                /* of the last block; of the thread that
                                 * writes */
  struct cipher ciphers[CIPHERS];
};

_Static_assert (sizeof (struct sealer) + CIPHERS * 2 * KIB <= SEALER_BYTES,
                "the budget");
_Static_assert (BACKING_SIZE_MAX / BACKING_BLOCK * sizeof (struct seal)
                <= BACKING_SEALS_SIZE, "room for all blocks");

static struct seal *
seal_at (const struct backing *b, uint64_t block)
{
  struct seal *seals = b->seals.base;

  return &seals[block];
}

/* ---- opening ---- */

static int
cipher_open (struct cipher *c, const uint8_t *key)
{
  gcry_error_t e;

  mutex_init (&c->lock);
  e = libgcrypt.cipher_open (&c->handle, GCRY_CIPHER_AES256,
                             GCRY_CIPHER_MODE_GCM_SIV, GCRY_CIPHER_SECURE);
  if (e != 0) {
    c->handle = NULL;
    return fail_with (gcry_err_code (e) == GPG_ERR_ENOMEM ? ENOMEM : ENOTSUP);
  }
  os_exclude_from_dumps (c->handle, CIPHER_BYTES);
  return libgcrypt.cipher_setkey (c->handle, key, BACKING_KEY_SIZE) == 0
    ? 0 : fail_with (ENOTSUP);
}

static int
open_ciphers (struct sealer *s)
{
  for (unsigned i = 0; i < CIPHERS; ++i)
    if (cipher_open (&s->ciphers[i], s->key) == -1)
      return -1;
  return 0;
}

static int
make_sealer (struct backing *b, const struct backing_key *key)
{
  struct sealer *s;

  if (budget_take (b->budget, SEALER_BYTES) == -1)
    return -1;
  s = aligned_alloc (CACHE_LINE, align_up (sizeof *s, CACHE_LINE));
  if (!s) {
    budget_give (b->budget, SEALER_BYTES);
    return -1;
  }
  memset (s, 0, sizeof *s);
  b->sealer = s;
  s->key = key->bytes;
  if (getrandom (&s->salt, sizeof s->salt, 0) != sizeof s->salt)
    return -1;
  return open_ciphers (s);
}

int
seals_open (struct backing *b, const struct backing_options *o,
            struct backing_error *error)
{
  const char *problem = libgcrypt_load ();
  char text[sizeof error->detail];

  if (!problem && block_array_open (&b->seals, b->blocks, sizeof (struct seal),
                                    &o->key->seals) == -1)
    return -1;
  if (!problem && make_sealer (b, o->key) == 0)
    return 0;
  if (!problem && errno == ENOTSUP)
    problem = "it has no AES-256-GCM-SIV here, as in FIPS mode";
  if (!problem)
    return -1;
  snprintf (text, sizeof text, "its key needs libgcrypt, which can't be used: "
            "%.150s", problem);
  return backing_error_set_detail (error, text);
}

void
seals_close (struct backing *b)
{
  struct sealer *s = b->sealer;

  if (s) {
    for (unsigned i = 0; i < CIPHERS; ++i)
      if (s->ciphers[i].handle)
        libgcrypt.cipher_close (s->ciphers[i].handle); /* wipes it */
    free (s);
    budget_give (b->budget, SEALER_BYTES);
  }
  b->sealer = NULL;
  block_array_close (&b->seals);
}

/* ---- ciphers ---- */

/* Returns a cipher for a reader, locked. */
static struct cipher *
cipher_get (struct sealer *s)
{
  unsigned first = atomic_fetch_add_explicit (&s->turn, 1,
                                              memory_order_relaxed);
  struct cipher *c;

  for (unsigned i = 0; i < CIPHERS - READER; ++i) {
    c = &s->ciphers[READER + (first + i) % (CIPHERS - READER)];
    if (pthread_mutex_trylock (&c->lock) == 0)
      return c;
  }
  c = &s->ciphers[READER + first % (CIPHERS - READER)];
  pthread_mutex_lock (&c->lock);
  return c;
}

static void
cipher_put (struct cipher *c)
{
  pthread_mutex_unlock (&c->lock);
}

/* Prepare C for one block. */
static bool
cipher_begin (struct cipher *c, uint32_t block, uint32_t salt)
{
  uint8_t nonce[NONCE_SIZE] = { 0 };

  memcpy (nonce, &block, sizeof block);
  memcpy (nonce + sizeof block, &salt, sizeof salt);
  return libgcrypt.cipher_ctl (c->handle, GCRYCTL_RESET, NULL, 0) == 0
    && libgcrypt.cipher_setiv (c->handle, nonce, sizeof nonce) == 0;
}

static bool
cipher_end (struct cipher *c)
{
  return libgcrypt.cipher_ctl (c->handle, GCRYCTL_FINALIZE, NULL, 0) == 0;
}

/* ---- blocks ---- */

int
seal_block (struct backing *b, uint32_t block, void *content)
{
  struct sealer *s = b->sealer;
  struct cipher *c = &s->ciphers[WRITER];
  struct seal seal = { .salt = 0 };
  bool good;

  if (++s->salt == 0)
    ++s->salt;
  seal.salt = s->salt;
  good = cipher_begin (c, block, seal.salt) && cipher_end (c)
    && libgcrypt.cipher_encrypt (c->handle, content, BACKING_BLOCK, NULL, 0)
       == 0
    && libgcrypt.cipher_gettag (c->handle, seal.tag, sizeof seal.tag) == 0;
  if (!good)
    return fail_with (EIO);
  block_array_begin (&b->seals);
  *seal_at (b, block) = seal;
  return 0;
}

static bool
unseal_block (struct sealer *s, uint32_t block, const struct seal *seal,
              void *content)
{
  uint8_t tag[sizeof seal->tag];
  struct cipher *c = cipher_get (s);
  bool good;

  memcpy (tag, seal->tag, sizeof tag);
  good = cipher_begin (c, block, seal->salt)
    && libgcrypt.cipher_ctl (c->handle, GCRYCTL_SET_DECRYPTION_TAG, tag,
                             sizeof tag) == 0
    && cipher_end (c)
    && libgcrypt.cipher_decrypt (c->handle, content, BACKING_BLOCK, NULL, 0)
       == 0;
  cipher_put (c);
  return good;
}

int
seals_unseal (struct backing *b, void *buf, size_t len, uint64_t offset)
{
  uint32_t block = (uint32_t) (offset / BACKING_BLOCK);

  for (size_t at = 0; at < len; at += BACKING_BLOCK, ++block) {
    const struct seal *seal = seal_at (b, block);

    if (seal->salt != 0
        && !unseal_block (b->sealer, block, seal, (char *) buf + at))
      return fail_with (EUCLEAN);
  }
  return 0;
}

/* ---- another key ---- */

int
seals_renew_key (struct backing *b)
{
  struct sealer *s = b->sealer;
  bool good = true;

  if (getrandom (s->key, BACKING_KEY_SIZE, 0) != BACKING_KEY_SIZE)
    return -1;
  for (unsigned i = 0; i < CIPHERS; ++i) {
    struct cipher *c = &s->ciphers[i];
    LOCK_FOR_SCOPE (&c->lock);

    good &= libgcrypt.cipher_setkey (c->handle, s->key, BACKING_KEY_SIZE)
      == 0;
  }
  return good ? 0 : fail_with (EIO);
}
