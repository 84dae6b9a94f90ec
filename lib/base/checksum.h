/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checksum that is stored with each object: XXH3 of the uncompressed
 * page, so that it detects errors of the codec too.
 */

#ifndef NBDZRAM_BASE_CHECKSUM_H
#define NBDZRAM_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t page_checksum (const void *page, size_t size);

#endif /* NBDZRAM_BASE_CHECKSUM_H */
