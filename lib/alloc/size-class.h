/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arithmetic of sizes: which objects share a zspage.
 *
 * A zspage is ZSPAGE_PAGES pages of contiguous address space, cut into
 * objects of one size.  Classes are not every multiple of the step:
 * a class is the largest size of which as many objects fit, so two
 * sizes that would waste the same memory share a class, as in
 * zsmalloc.  Being contiguous, no object is ever cut by a page
 * boundary, unlike zsmalloc's.
 *
 * The numbers scale with the page: for 4 KiB pages the step is 32
 * bytes, the zspage 64 KiB, and there are 73 classes, the largest of
 * 3840 bytes; on 48,640 pages of real memory the loss to rounding,
 * cut-offs and half-filled zspages is 2.8 % of what is stored.  Half
 * the step would save 0.5 % of a full store and cost as much in a
 * nearly empty one, where each class holds one half-filled page.
 */

#ifndef NBDZRAM_ALLOC_SIZE_CLASS_H
#define NBDZRAM_ALLOC_SIZE_CLASS_H

#include <stdint.h>

#define ZSPAGE_PAGES 16         /* a zspage in pages of the disk */
#define SIZE_STEPS 128          /* a page in steps */
#define ZSPAGE_OBJECTS_MAX 128  /* two words of free bits */
#define SIZE_CLASSES_MAX (SIZE_STEPS + 1)

struct size_class {
  uint32_t size;                /* of an object, bytes */
  uint32_t objects;             /* in one zspage */
};

struct size_classes {
  uint32_t page_size;
  uint32_t zspage_size;         /* bytes */
  uint32_t step;                /* bytes */
  uint32_t count;               /* classes; the last holds whole pages */
  struct size_class classes[SIZE_CLASSES_MAX];
  uint8_t of_step[SIZE_STEPS + 1]; /* class by size in steps, rounded up */
};

/* Fill SC for disk pages of PAGE_SIZE bytes, a power of two from 4096
 * to 65536.
 */
void size_classes_init (struct size_classes *sc, uint32_t page_size);

/* The class for objects of SIZE bytes, 1 to page_size. */
static inline uint32_t
size_class_of (const struct size_classes *sc, uint32_t size)
{
  return sc->of_step[(size + sc->step - 1) / sc->step];
}

/* The class of whole pages, stored raw. */
static inline uint32_t
size_class_huge (const struct size_classes *sc)
{
  return sc->count - 1;
}

/* The largest object that is worth compressing for: anything above
 * would take the room of a whole page.
 */
static inline uint32_t
size_class_largest (const struct size_classes *sc)
{
  return sc->classes[sc->count - 2].size;
}

#endif /* NBDZRAM_ALLOC_SIZE_CLASS_H */
