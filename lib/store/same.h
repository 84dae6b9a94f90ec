/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Same-filled pages: one machine word repeated. */

#ifndef NBDZRAM_STORE_SAME_H
#define NBDZRAM_STORE_SAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Do the SIZE bytes at PAGE repeat one word?  If so, put it in *WORD.  PAGE
 * needs no alignment.
 */
bool same_filled (const void *page, size_t size, uint64_t *word);

/* Write SIZE bytes of a page filled with WORD to BUF, starting at byte
 * OFFSET of the page.
 */
void same_fill (void *buf, uint64_t word, size_t offset, size_t size);

#endif /* NBDZRAM_STORE_SAME_H */
