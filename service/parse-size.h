/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one grammar of sizes.  The plugin's parameters, NAME.conf, settings of
 * exports and options of the command all read sizes with it: "4096", "4G",
 * "1.5GiB", "ram / 2", "min(ram / 2, 4G)".
 *
 *   sum     = product { ("+" | "-") product }
 *   product = factor { ("*" | "/") factor }
 *   factor  = ("+" | "-") factor | "(" sum ")" | "ram" | number [unit]
 *           | ("min" | "max") "(" sum { "," sum } ")"
 *   number  = digits ["." digits]
 *   unit    = b (bytes) | s (sectors of 512 bytes)
 *           | K | M | G | T | P | E, also as KiB: powers of 1024
 *
 * Capital and small letters mean the same in a unit of one letter, as in
 * nbdkit.  KB, MB and so on are refused: to some they are powers of 1000, to
 * others of 1024.
 *
 * A whole number, with or without a unit, is exact up to PARSE_SIZE_MAX.
 * Other expressions are calculated with doubles, so that "ram * 0.4" works
 * and "ram / 3 * 2" loses nothing.  The result is rounded down to whole
 * bytes.  Doubles are exact up to 2^53, eight times the largest disk; an
 * expression beyond that is refused.
 */

#ifndef NBDZRAM_SERVICE_PARSE_SIZE_H
#define NBDZRAM_SERVICE_PARSE_SIZE_H

#include <stddef.h>
#include <stdint.h>

#define PARSE_SIZE_MAX ((uint64_t) INT64_MAX)
#define PARSE_SIZE_EXPRESSION_MAX (UINT64_C (1) << 53)

/* Room for any error of parse_size. */
#define PARSE_SIZE_ERROR 128

/* Calculate the size TEXT in bytes; "ram" stands for RAM bytes.  Returns 0,
 * or -1 with errno EINVAL and the reason in ERROR: a phrase that follows the
 * quoted text, as in "has the unknown unit 'X'".
 */
int parse_size (const char *text, uint64_t ram, uint64_t *bytes,
                char *error, size_t size);

/* The memory of this machine in bytes, for "ram"; 0 if it is unknown. */
uint64_t machine_ram (void);

#endif /* NBDZRAM_SERVICE_PARSE_SIZE_H */
