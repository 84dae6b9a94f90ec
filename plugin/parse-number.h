/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and sizes as people write them; shared with the command. */

#ifndef NBDZRAM_PARSE_NUMBER_H
#define NBDZRAM_PARSE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Whole numbers from 0, with a suffix as in 4K where SIZE.  Returns
 * false when S is none.
 */
bool parse_number (const char *s, bool size, uint64_t *n);

#endif /* NBDZRAM_PARSE_NUMBER_H */
