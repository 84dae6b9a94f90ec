/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of an expression, and how each is written as a size of ours. */

#ifndef NBDZRAM_COMMAND_IMPORT_TRANSLATION_H
#define NBDZRAM_COMMAND_IMPORT_TRANSLATION_H

#include <stdbool.h>

#include "command/conf/conf.h"

/* How tightly the last operator of a translation binds. */
enum rank { RANK_SUM, RANK_PRODUCT, RANK_FACTOR };

struct node {
  double value;
  bool has_ram;                 /* else it is a number */
  enum rank rank;
  char size[CONF_VALUE_MAX + 1]; /* "": a number, or can't be translated */
};

/* Writes the translation of N to SIZE: its own, or that of a number of
 * megabytes.  Returns false if there is none.
 */
bool node_translate (const struct node *n, char size[CONF_VALUE_MAX + 1]);

/* Makes N the variable "ram". */
void node_set_ram (struct node *n, double ram);

/* These set the translation of N, which has "ram" in it, if it has one: that
 * of A OP B, of -A, or of the function NAME.
 */
void node_translate_sum (struct node *n, const struct node *a, char op,
                         const struct node *b);
void node_translate_product (struct node *n, const struct node *a, char op,
                             const struct node *b);
void node_translate_negative (struct node *n, const struct node *a);
void node_translate_call (struct node *n, const char *name,
                          const struct node *arguments, unsigned count);

#endif /* NBDZRAM_COMMAND_IMPORT_TRANSLATION_H */
