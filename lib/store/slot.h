/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slot: eight bytes that say everything about one page.
 *
 *             bits  63                                      8 7     4 3    0
 *   EMPTY           0
 *   SAME            | word, 56, sign-extended                | check | kind |
 *   STORED          | offset/32, 36 | length-1, 16 | codec, 4 | check | kind |
 *   HUGE            | offset/4096, 29 | sum of the page, 27   | check | kind |
 *   GROUP           | offset/32, 36 | length-1, 16 | place, 4 | check | kind |
 *   BAD             | 0                                      | check | kind |
 *
 * A STORED object is a 32-bit checksum of its page followed by LENGTH bytes
 * of codec output.  A HUGE object is the raw page, which fills its memory,
 * so the slot holds its checksum.  GROUP is one of several pages compressed
 * into one object of LENGTH bytes; PLACE is the page's number among them
 * (group.h).  BAD is a page that was found damaged at attach.
 *
 * Offsets of STORED, HUGE and GROUP count from the start of the arena, or,
 * if SLOT_WRITTEN_BACK is added to the kind, of the backing file.
 *
 * The check makes the sixteen four-bit digits of a slot add up, without
 * carry, to a constant.  So one flipped bit anywhere, also in an EMPTY slot,
 * is noticed before the slot is used.  That matters most when an object is
 * about to be freed: a wrong offset would free another page's object.
 *
 * Pure functions, no state.
 */

#ifndef NBDZRAM_STORE_SLOT_H
#define NBDZRAM_STORE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t slot_t;

enum slot_kind {
  SLOT_KIND_SAME = 1,
  SLOT_KIND_STORED = 2,
  SLOT_KIND_HUGE = 3,
  SLOT_KIND_BAD = 4,
  SLOT_KIND_GROUP = 5,
};

#define SLOT_WRITTEN_BACK ((slot_t) 8)
#define SLOT_KIND_MASK 0xf      /* kind and SLOT_WRITTEN_BACK */

#define SLOT_PAYLOAD_SHIFT 8
#define SLOT_CHECK_SHIFT 4
#define SLOT_CHECK 0x9

#define SLOT_CODEC_BITS 4
#define SLOT_LENGTH_BITS 16
#define SLOT_STORED_SHIFT (SLOT_PAYLOAD_SHIFT + SLOT_CODEC_BITS         \
                           + SLOT_LENGTH_BITS)
#define SLOT_STORED_UNIT 32

#define SLOT_SUM_BITS 27
#define SLOT_HUGE_SHIFT (SLOT_PAYLOAD_SHIFT + SLOT_SUM_BITS)
#define SLOT_HUGE_UNIT 4096

/* Bytes of arena that a slot can name: 2 TiB. */
#define SLOT_ARENA_MAX ((uint64_t) SLOT_STORED_UNIT                     \
                        << (64 - SLOT_STORED_SHIFT))

/* The sum without carry of all digits of S. */
static inline unsigned
slot_digits (slot_t s)
{
  s ^= s >> 32;
  s ^= s >> 16;
  s ^= s >> 8;
  s ^= s >> 4;
  return s & 0xf;
}

static inline slot_t
slot_seal (slot_t s)
{
  return s | (slot_t) (slot_digits (s) ^ SLOT_CHECK) << SLOT_CHECK_SHIFT;
}

#define SLOT_EMPTY ((slot_t) 0)
#define SLOT_BAD (slot_seal (SLOT_KIND_BAD))

/* Verify a slot that was read from memory: returns S, or BAD if its check is
 * wrong.
 */
static inline slot_t
slot_verify (slot_t s)
{
  return s == SLOT_EMPTY || slot_digits (s) == SLOT_CHECK ? s : SLOT_BAD;
}

/* The kind of S, wherever its object is. */
static inline enum slot_kind
slot_kind (slot_t s)
{
  return (enum slot_kind) (s & (SLOT_KIND_MASK ^ SLOT_WRITTEN_BACK));
}

static inline bool
slot_is_same (slot_t s)
{
  return slot_kind (s) == SLOT_KIND_SAME;
}

static inline bool
slot_is_stored (slot_t s)
{
  return slot_kind (s) == SLOT_KIND_STORED;
}

static inline bool
slot_is_huge (slot_t s)
{
  return slot_kind (s) == SLOT_KIND_HUGE;
}

static inline bool
slot_is_group (slot_t s)
{
  return slot_kind (s) == SLOT_KIND_GROUP;
}

/* Does the slot name an object, in the arena or in the backing file? */
static inline bool
slot_names_object (slot_t s)
{
  return slot_is_stored (s) || slot_is_huge (s) || slot_is_group (s);
}

static inline bool
slot_is_written_back (slot_t s)
{
  return (s & SLOT_WRITTEN_BACK) != 0 && slot_names_object (s);
}

/* Does the slot name an object in the arena? */
static inline bool
slot_has_object (slot_t s)
{
  return (s & SLOT_WRITTEN_BACK) == 0 && slot_names_object (s);
}

/* Can WORD be kept in a slot?  Zero, small numbers of either sign, and
 * addresses can; other words become an object of eight bytes.
 */
static inline bool
slot_same_fits (uint64_t word)
{
  return (uint64_t) ((int64_t) (word << SLOT_PAYLOAD_SHIFT)
                     >> SLOT_PAYLOAD_SHIFT) == word;
}

static inline slot_t
slot_same (uint64_t word)
{
  return slot_seal (word << SLOT_PAYLOAD_SHIFT | SLOT_KIND_SAME);
}

static inline uint64_t
slot_same_word (slot_t s)
{
  return (uint64_t) ((int64_t) s >> SLOT_PAYLOAD_SHIFT);
}

/* LENGTH is 1 to 65536, OFFSET a multiple of 32 below SLOT_ARENA_MAX, and
 * LAST is the codec or the place.
 */
static inline slot_t
slot_of_length (enum slot_kind kind, uint64_t offset, uint32_t length,
                unsigned last)
{
  return slot_seal ((offset / SLOT_STORED_UNIT) << SLOT_STORED_SHIFT
                    | (slot_t) (length - 1)
                      << (SLOT_PAYLOAD_SHIFT + SLOT_CODEC_BITS)
                    | (slot_t) last << SLOT_PAYLOAD_SHIFT
                    | kind);
}

static inline slot_t
slot_stored (uint64_t offset, uint32_t length, unsigned codec)
{
  return slot_of_length (SLOT_KIND_STORED, offset, length, codec);
}

/* OFFSET and LENGTH are of the whole object. */
static inline slot_t
slot_group (uint64_t offset, uint32_t length, unsigned place)
{
  return slot_of_length (SLOT_KIND_GROUP, offset, length, place);
}

static inline unsigned
slot_codec (slot_t s)
{
  return s >> SLOT_PAYLOAD_SHIFT & ((1U << SLOT_CODEC_BITS) - 1);
}

/* The place of a page in its group, which lies where others have the codec. */
static inline unsigned
slot_place (slot_t s)
{
  return slot_codec (s);
}

/* Bytes of codec output, without the checksum before them; of a GROUP,
 * of the whole object.
 */
static inline uint32_t
slot_length (slot_t s)
{
  return (uint32_t) (s >> (SLOT_PAYLOAD_SHIFT + SLOT_CODEC_BITS)
                     & ((1U << SLOT_LENGTH_BITS) - 1)) + 1;
}

/* OFFSET is a multiple of 4096.  The low SLOT_SUM_BITS of SUM are kept. */
static inline slot_t
slot_huge (uint64_t offset, uint64_t sum)
{
  return slot_seal ((offset / SLOT_HUGE_UNIT) << SLOT_HUGE_SHIFT
                    | (sum & ((1U << SLOT_SUM_BITS) - 1)) << SLOT_PAYLOAD_SHIFT
                    | SLOT_KIND_HUGE);
}

static inline uint32_t
slot_huge_sum (slot_t s)
{
  return s >> SLOT_PAYLOAD_SHIFT & ((1U << SLOT_SUM_BITS) - 1);
}

static inline bool
slot_huge_sum_matches (slot_t s, uint64_t sum)
{
  return ((s >> SLOT_PAYLOAD_SHIFT ^ sum) & ((1U << SLOT_SUM_BITS) - 1)) == 0;
}

/* Where the object that a slot names lies, in the arena or in the
 * backing file.
 */
static inline uint64_t
slot_offset (slot_t s)
{
  return slot_is_huge (s)
    ? (s >> SLOT_HUGE_SHIFT) * SLOT_HUGE_UNIT
    : (s >> SLOT_STORED_SHIFT) * SLOT_STORED_UNIT;
}

/* The slot for the object of S after a move to OFFSET. */
static inline slot_t
slot_moved (slot_t s, uint64_t offset)
{
  unsigned shift = slot_is_huge (s) ? SLOT_HUGE_SHIFT : SLOT_STORED_SHIFT;
  unsigned unit = slot_is_huge (s) ? SLOT_HUGE_UNIT : SLOT_STORED_UNIT;

  s &= ((slot_t) 1 << shift) - 1;
  s &= ~((slot_t) 0xf << SLOT_CHECK_SHIFT);
  return slot_seal (s | (offset / unit) << shift);
}

/* The slot for the object of S after it was written back to OFFSET of the
 * backing file.
 */
static inline slot_t
slot_moved_out (slot_t s, uint64_t offset)
{
  return slot_moved (s | SLOT_WRITTEN_BACK, offset);
}

#endif /* NBDZRAM_STORE_SLOT_H */
