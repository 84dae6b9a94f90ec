/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Size classes: which objects share a zspage.
 *
 * A zspage is ZSPAGE_PAGES pages of contiguous address space, divided into
 * objects of one size.  Not every multiple of the step is a class: sizes of
 * which the same number fits in a zspage share a class, the largest of them,
 * as in zsmalloc.  Unlike zsmalloc's, a zspage is contiguous, so that every
 * object is, too.
 *
 * All sizes scale with the page.  For 4 KiB pages the step is 32 bytes, a
 * zspage is 64 KiB, and there are 73 classes; the largest below a whole page
 * is 3840 bytes.  On 48,640 pages of real memory, rounding, cut-offs and
 * partly filled zspages lose 2.8 % of what is stored.  Half the step would
 * save 0.5 % of a full store, and lose as much in a nearly empty one, where
 * each class has a page that is half filled.
 */

#ifndef NBDZRAM_ALLOC_SIZE_CLASS_H
#define NBDZRAM_ALLOC_SIZE_CLASS_H

#include <stdint.h>

#define ZSPAGE_PAGES 16         /* pages of the disk in a zspage */
#define SIZE_STEPS 128          /* steps in a page */
#define ZSPAGE_OBJECTS_MAX 128  /* bits of struct zspage's free */
#define SIZE_CLASSES_MAX (SIZE_STEPS + 1)

struct size_class {
  uint32_t size;                /* of an object, bytes */
  uint32_t objects;             /* in one zspage */
};

struct size_classes {
  uint32_t page_size;
  uint32_t zspage_size;         /* bytes */
  uint32_t step;                /* bytes */
  uint32_t count;               /* classes; the last is for whole pages */
  struct size_class classes[SIZE_CLASSES_MAX];
  uint8_t of_step[SIZE_STEPS + 1]; /* class by size in steps, rounded up */
};

/* Compute the classes for disk pages of PAGE_SIZE bytes, a power of two from
 * 4096 to 65536.
 */
void size_classes_init (struct size_classes *sc, uint32_t page_size);

/* Return the class for objects of SIZE bytes, 1 to page_size. */
static inline uint32_t
size_class_of (const struct size_classes *sc, uint32_t size)
{
  return sc->of_step[(size + sc->step - 1) / sc->step];
}

/* Return the class of huge pages: whole pages, stored raw. */
static inline uint32_t
size_class_huge (const struct size_classes *sc)
{
  return sc->count - 1;
}

/* Return the largest size that is worth compressing to: a larger object
 * would take as much room as a whole page.
 */
static inline uint32_t
size_class_largest (const struct size_classes *sc)
{
  return sc->classes[sc->count - 2].size;
}

#endif /* NBDZRAM_ALLOC_SIZE_CLASS_H */
