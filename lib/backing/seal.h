/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seals: the blocks of a backing file, encrypted and authenticated.
 *
 * Each block is encrypted by itself.  It keeps its size, since what proves
 * that it is the right one, its seal, lies in the pool file and not on the
 * disk.  The key is random and lies in the pool file, too: it is gone with
 * the pool, and the disk alone can not be read.  A block is accepted only
 * if it is what the pool wrote last at this place.  So a block with a changed
 * bit, an older one, one from another place or another pool is an error, even
 * if an attacker has made its checksum (backing.h) right.  The checksum is
 * computed from what lies on the disk: a resync compares and copies blocks
 * without knowing the key.
 *
 *   cipher   AES-256-GCM-SIV (RFC 8452): its tag of 128 bits is computed from
 *            the content, and the content is encrypted with a key stream made
 *            from the tag.  Where two messages get the same nonce, other modes
 *            (GCM, OCB) give away their difference and allow forgeries; this
 *            one only shows whether they are equal.  So nothing depends on a
 *            counter that must never go back: not after a kill between two
 *            stores, nor when a copy of the pool file is put back.
 *   nonce    The number of the block, which binds it to its place, and a
 *            salt: a number that is different at each write, begun at random
 *            by each process.  It hides that a block has the same content as
 *            before.
 *   seal     The tag and the salt: 20 bytes a block, 0.5 % of the backing
 *            file, in an array like that of the checksums.  They change
 *            together, and before the block is written, when no slot names
 *            it; so it is true of seals, too, what backing.h says of
 *            checksums and a kill.  There is no memory for seals without a
 *            key.
 *   plain    A block with the salt 0 is not encrypted.  It was written before
 *            the pool had a key.
 *
 * Libraries that Debian 12 has, nanoseconds to encrypt a block on a processor
 * with VAES, AES-256:
 *
 *   libgcrypt 1.10   GCM-SIV 1140   OCB 400   GCM 900    SIV 3200 (AES-128)
 *   OpenSSL 3.0      -              OCB 760   GCM 1060
 *   GnuTLS 3.7       -              -         GCM 950
 *   libsodium 1.0.18 -              -         GCM 2170   ChaCha20 3380
 *
 * Writing a block back to a file on tmpfs takes some 23 us, so the best mode
 * could be taken.  libgcrypt allocates nothing while it works, and keeps its
 * ciphers in memory that is locked; here they are kept out of core dumps,
 * too.  A cipher is used by one thread at a time: there are a few, made at the
 * opening.
 *
 * Functions that return int return 0, or -1 with errno.
 */

#ifndef NBDZRAM_BACKING_SEAL_H
#define NBDZRAM_BACKING_SEAL_H

#include "backing.h"

/* What proves that a block is the right one. */
struct seal {
  uint8_t tag[16];
  uint32_t salt;                /* 0: the block is not encrypted */
};

_Static_assert (sizeof (struct seal) == 20, "no padding");

/* Bytes of the budget that a key takes, besides the seals. */
#define SEALER_BYTES (32 * KIB)

/* Begin to encrypt with the key of O.  Blocks are b->blocks. */
int seals_open (struct backing *b, const struct backing_options *o,
                struct backing_error *error);

/* Safe if it was not opened. */
void seals_close (struct backing *b);

/* Encrypt CONTENT, a block, in place, and set the seal of BLOCK, which no
 * reader uses.  errno EIO.
 */
int seal_block (struct backing *b, uint32_t block, void *content);

/* Decrypt BUF, whole blocks read from OFFSET, in place.  errno EUCLEAN: one of
 * them is not what was written last.
 */
int seals_unseal (struct backing *b, void *buf, size_t len, uint64_t offset);

/* Replace the key by a new one: no slot names any block, and no reader is at
 * work.
 */
int seals_renew_key (struct backing *b);

#endif /* NBDZRAM_BACKING_SEAL_H */
