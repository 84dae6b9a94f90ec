/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes as an administrator thinks of them: "4G", "ram / 2",
 * "min(ram / 2, 4G)".
 *
 *   sum     = product { ("+" | "-") product }
 *   product = factor { ("*" | "/") factor }
 *   factor  = "-" factor | "(" sum ")" | "ram" | number [unit]
 *           | ("min" | "max") "(" sum { "," sum } ")"
 *   number  = digits ["." digits]
 *   unit    = K | M | G | T | P, also in small letters, or as KiB:
 *             powers of 1024
 *
 * Values are doubles on the way, so that "ram * 0.4" works and "ram / 3 * 2"
 * loses nothing, and whole bytes, rounded down, at the end.  Whole numbers
 * are exact up to 2^53, eight times the largest disk; nothing beyond is
 * accepted.
 */

#ifndef NBDZRAM_COMMAND_CONF_EXPRESSION_H
#define NBDZRAM_COMMAND_CONF_EXPRESSION_H

#include <stddef.h>
#include <stdint.h>

#define EXPRESSION_MAX (UINT64_C (1) << 53)

/* The value of TEXT in bytes, where "ram" stands for RAM.  0, or -1 with
 * errno EINVAL and what is wrong, without TEXT, in ERROR.
 */
int expression_value (const char *text, uint64_t ram, uint64_t *bytes,
                      char *error, size_t size);

#endif /* NBDZRAM_COMMAND_CONF_EXPRESSION_H */
