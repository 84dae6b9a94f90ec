/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translates the expressions of zram-generator to sizes of ours.
 *
 * There, a number and "ram" are in megabytes, while here "ram" is in bytes
 * and a number has a unit: "min(ram / 2, 4096)" becomes "min(ram / 2, 4G)".
 * Sums, products with a number, minima and maxima can be translated.  Of
 * anything else, such as log (ram), only the value on one machine is known.
 *
 *   expression = operand { operator operand }
 *   operator   = "||" | "&&" | "==" | "!=" | "<" | "<=" | ">" | ">="
 *              | "+" | "-" | "*" | "/" | "%" | "^"
 *   operand    = { "-" | "+" | "!" } ( number [suffix] | "(" expression ")"
 *              | name [ "(" [ expression { "," expression } ] ")" ] )
 *   suffix     = p | n | u | m | K | M | G | T: powers of 1000
 *
 * From "||" to "^", later operators bind more tightly; but "*" and "/" are
 * equal here, as are "+" and "-".  Square brackets are as good as
 * parentheses.
 */

#ifndef NBDZRAM_COMMAND_IMPORT_EXPRESSION_H
#define NBDZRAM_COMMAND_IMPORT_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/conf/conf.h"

#define EXPRESSION_NAME_SIZE 32

struct expression {
  double megabytes;             /* the value on this machine; may be negative,
                                 * infinite, or no number */
  char size[CONF_VALUE_MAX + 1]; /* the translation, "" if there is none */

  /* A variable without a known value, or "".  Then nothing else is set. */
  char variable[EXPRESSION_NAME_SIZE];
};

/* Parses TEXT for a machine of RAM megabytes.  Returns 0, or -1 with a phrase
 * in ERROR that follows the quoted text.
 */
int expression_parse (const char *text, uint64_t ram, struct expression *e,
                      char *error, size_t size);

#endif /* NBDZRAM_COMMAND_IMPORT_EXPRESSION_H */
