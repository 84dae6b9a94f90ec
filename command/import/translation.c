/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "functions.h"
#include "translation.h"

/* The numbers of a translation, but for 0 and signs. */
#define NUMBER_MAX 1e15
#define NUMBER_MIN 1e-6

/* Formats N without an exponent.  Returns false if our sizes can't have it:
 * they take 15 digits, and as many decimals.
 */
static bool
format_number (char text[TEXT_NUMBER_SIZE], double n)
{
  bool is_small = fabs (n) < 1 && fpclassify (n) != FP_ZERO;

  if (!isfinite (n) || fabs (n) >= NUMBER_MAX
      || (is_small && fabs (n) < NUMBER_MIN))
    return false;
  snprintf (text, TEXT_NUMBER_SIZE, is_small ? "%.15f" : "%.15g", n);
  for (size_t i = strlen (text); is_small && text[i - 1] == '0'; --i)
    text[i - 1] = '\0';
  return true;
}

bool
node_translate (const struct node *n, char size[CONF_VALUE_MAX + 1])
{
  static const char units[] = "MGTP";
  char number[TEXT_NUMBER_SIZE];
  double value = n->value;
  unsigned unit = 0;

  if (n->has_ram) {
    strcpy (size, n->size);
    return size[0] != '\0';
  }
  while (unit + 1 < strlen (units) && fabs (value) >= 1
         && fpclassify (fmod (value, 1024)) == FP_ZERO) {
    value /= 1024;
    unit++;
  }
  if (!format_number (number, value))
    return false;
  sprintf (size, "%s%.1s", number,
           fpclassify (value) == FP_ZERO ? "" : units + unit);
  return true;
}

/* Sets the translation of N, which has RANK; without FORMAT, or if it is too
 * long, there is none.
 */
static void __attribute__ ((format (printf, 3, 4)))
set_size (struct node *n, enum rank rank, const char *format, ...)
{
  va_list ap;

  n->rank = rank;
  va_start (ap, format);
  if ((size_t) vsnprintf (n->size, sizeof n->size, format, ap)
      >= sizeof n->size)
    n->size[0] = '\0';
  va_end (ap);
}

/* "A + B" */
void
node_translate_sum (struct node *n, const struct node *a, char op,
                    const struct node *b)
{
  char left[CONF_VALUE_MAX + 1], right[CONF_VALUE_MAX + 1];
  bool enclose = op == '-' && b->has_ram && b->rank == RANK_SUM;

  if (node_translate (a, left) && node_translate (b, right))
    set_size (n, RANK_SUM, enclose ? "%s %c (%s)" : "%s %c %s", left, op,
              right);
}

/* "A * 2", "2 * A" or "A / 2" */
void
node_translate_product (struct node *n, const struct node *a, char op,
                        const struct node *b)
{
  const struct node *factor = a->has_ram ? b : a;
  char number[TEXT_NUMBER_SIZE], size[CONF_VALUE_MAX + 3];
  const struct node *other = a->has_ram ? a : b;

  if (factor->has_ram || other->size[0] == '\0'
      || (op == '/' && factor == a)
      || !format_number (number, factor->value))
    return;
  snprintf (size, sizeof size, other->rank == RANK_SUM ? "(%s)" : "%s",
            other->size);
  if (factor == a)
    set_size (n, RANK_PRODUCT, "%s %c %s", number, op, size);
  else
    set_size (n, RANK_PRODUCT, "%s %c %s", size, op, number);
}

void
node_translate_negative (struct node *n, const struct node *a)
{
  if (a->size[0])
    set_size (n, RANK_FACTOR, a->rank == RANK_FACTOR ? "-%s" : "-(%s)",
              a->size);
}

/* "min(A, B)" */
void
node_translate_call (struct node *n, const char *name,
                     const struct node *arguments, unsigned count)
{
  char list[CONF_VALUE_MAX + 1] = "", size[CONF_VALUE_MAX + 1];
  size_t length = 0;

  for (unsigned i = 0; i < count; ++i) {
    if (!node_translate (&arguments[i], size))
      return;
    length += (size_t) snprintf (list + length, sizeof list - length, "%s%s",
                                 i > 0 ? ", " : "", size);
    if (length >= sizeof list)
      return;
  }
  set_size (n, RANK_FACTOR, "%s(%s)", name, list);
}

void
node_set_ram (struct node *n, double ram)
{
  n->has_ram = true;
  n->value = ram;
  set_size (n, RANK_FACTOR, "ram");
}
