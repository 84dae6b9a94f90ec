/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command/base/ascii.h"
#include "lib/base/util.h"

#include "expression.h"

/* Each level is a few calls deep; nobody needs more. */
#define DEPTH_MAX 32

/* More decimals than anybody needs, and a power of ten that is exact. */
#define SCALE_MAX 1e15

#define BLANKS " \t"
#define NAME_SIZE 16

struct parser {
  const char *at;
  double ram;
  unsigned depth;
  bool failed;                  /* ERROR says why; only the first counts */
  char *error;
  size_t size;
};

static double sum (struct parser *p);

/* Values after a failure mean nothing. */
static double __attribute__ ((format (printf, 2, 3)))
refuse (struct parser *p, const char *format, ...)
{
  va_list ap;

  if (p->failed)
    return 0;
  p->failed = true;
  va_start (ap, format);
  vsnprintf (p->error, p->size, format, ap);
  va_end (ap);
  return 0;
}

static double
refuse_next (struct parser *p)
{
  if (*p->at == '\0')
    return refuse (p, "ends too early");
  if (!isprint ((unsigned char) *p->at))
    return refuse (p, "has an unexpected character");
  return refuse (p, "has an unexpected '%c'", *p->at);
}

/* ---- words ---- */

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static bool
is_letter (char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
accept (struct parser *p, char c)
{
  p->at += strspn (p->at, BLANKS);
  if (*p->at != c)
    return false;
  p->at++;
  return true;
}

/* The letters that come next.  Longer words are cut: nothing is called
 * that.
 */
static void
take_name (struct parser *p, char name[NAME_SIZE])
{
  size_t n = 0;

  for (; is_letter (*p->at); ++p->at)
    if (n < NAME_SIZE - 1)
      name[n++] = *p->at;
  name[n] = '\0';
}

/* ---- numbers ---- */

static double
unit (struct parser *p)
{
  static const char units[] = "KMGTP";
  char name[NAME_SIZE];
  const char *u;

  p->at += strspn (p->at, BLANKS);
  take_name (p, name);
  if (name[0] == '\0')
    return 1;
  u = strchr (units, ascii_upper (name[0]));
  if (u && (name[1] == '\0' || strcmp (name + 1, "iB") == 0))
    return (double) (UINT64_C (1) << (10 * (u - units + 1)));
  return refuse (p, "has the unknown unit '%s' (K, M, G, T and P are known)",
                 name);
}

/* All digits as one whole number, over a power of ten: both are exact, so
 * that the one rounding is that of the division.
 */
static double
number (struct parser *p)
{
  uint64_t digits = 0;
  double scale = 1;
  bool point = false;

  for (; is_digit (*p->at) || (*p->at == '.' && !point); ++p->at) {
    if (*p->at == '.') {
      point = true;
      continue;
    }
    digits = digits * 10 + (uint64_t) (*p->at - '0');
    if (digits > EXPRESSION_MAX || scale >= SCALE_MAX)
      return refuse (p, "has a number of too many digits");
    scale *= point ? 10 : 1;
  }
  if (!is_digit (p->at[-1]))
    return refuse (p, "has a number that ends with its point");
  return (double) digits / scale * unit (p);
}

/* ---- the grammar ---- */

/* What is infinite here could come out finite: 4G / infinity, or what
 * min makes of a NaN.
 */
static double
finite_only (struct parser *p, double value)
{
  return isfinite (value) ? value : refuse (p, "is too large");
}

static double
parenthesis (struct parser *p)
{
  double value = sum (p);

  return accept (p, ')') ? value : refuse_next (p);
}

static double
least_or_most (struct parser *p, bool least)
{
  double value, next;

  if (!accept (p, '('))
    return refuse_next (p);
  value = sum (p);
  while (!p->failed && accept (p, ',')) {
    next = sum (p);
    value = least ? MIN (value, next) : MAX (value, next);
  }
  return accept (p, ')') ? value : refuse_next (p);
}

static double
named (struct parser *p)
{
  char name[NAME_SIZE];

  take_name (p, name);
  if (strcmp (name, "ram") == 0)
    return p->ram;
  if (strcmp (name, "min") == 0 || strcmp (name, "max") == 0)
    return least_or_most (p, name[1] == 'i');
  return refuse (p, "has the unknown word '%s' (ram, min and max are known)",
                 name);
}

static double
factor (struct parser *p)
{
  double value;

  if (p->failed)
    return 0;
  if (++p->depth > DEPTH_MAX)
    return refuse (p, "is nested too deeply");
  if (accept (p, '-'))
    value = -factor (p);
  else if (accept (p, '('))
    value = parenthesis (p);
  else if (is_digit (*p->at))
    value = number (p);
  else if (is_letter (*p->at))
    value = named (p);
  else
    value = refuse_next (p);
  p->depth--;
  return value;
}

static double
product (struct parser *p)
{
  double value = factor (p), divisor;

  while (!p->failed) {
    if (accept (p, '*'))
      value *= factor (p);
    else if (accept (p, '/')) {
      divisor = factor (p);
      if (!p->failed && fpclassify (divisor) == FP_ZERO)
        return refuse (p, "divides by zero");
      value /= divisor;
    }
    else
      break;
    value = finite_only (p, value);
  }
  return value;
}

static double
sum (struct parser *p)
{
  double value = product (p);

  while (!p->failed) {
    if (accept (p, '+'))
      value += product (p);
    else if (accept (p, '-'))
      value -= product (p);
    else
      break;
    value = finite_only (p, value);
  }
  return value;
}

int
expression_value (const char *text, uint64_t ram, uint64_t *bytes,
                  char *error, size_t size)
{
  struct parser p = {
    .at = text, .ram = (double) ram, .error = error, .size = size,
  };
  double value = sum (&p);

  if (!p.failed && *p.at != '\0')
    refuse_next (&p);
  if (!p.failed && value < 0)
    refuse (&p, "is less than nothing");
  if (!p.failed && value > (double) EXPRESSION_MAX)
    refuse (&p, "is too large");
  if (p.failed) {
    errno = EINVAL;
    return -1;
  }
  *bytes = (uint64_t) value;
  return 0;
}
