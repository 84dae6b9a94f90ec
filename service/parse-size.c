/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "lib/base/util.h"

#include "parse-size.h"

/* Each level is a few calls deep, and the text may be untrusted. */
#define DEPTH_MAX 32

/* The most decimals; also a power of ten that a double holds exactly. */
#define SCALE_MAX 1e15

#define BLANKS " \t"

/* What strtoimax skips, with which nbdkit reads sizes. */
#define SPACES " \t\n\v\f\r"

#define SECTOR_SIZE 512
#define NAME_SIZE 16

struct parser {
  const char *at;
  double ram;
  unsigned depth;
  bool failed;                  /* ERROR says why; only the first counts */
  char *error;
  size_t size;
};

static double parse_sum (struct parser *p);

/* Keeps the first error.  Values that are calculated after it are ignored. */
static double __attribute__ ((format (printf, 2, 3)))
set_error (struct parser *p, const char *format, ...)
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
refuse_next_character (struct parser *p)
{
  if (*p->at == '\0')
    return set_error (p, "ends too early");
  if (!isprint ((unsigned char) *p->at))
    return set_error (p, "has an unexpected character");
  return set_error (p, "has an unexpected '%c'", *p->at);
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
skip_character (struct parser *p, char c)
{
  p->at += strspn (p->at, BLANKS);
  if (*p->at != c)
    return false;
  p->at++;
  return true;
}

/* Reads the letters that come next.  A longer word is cut: no name is that
 * long.
 */
static void
read_name (struct parser *p, char name[NAME_SIZE])
{
  size_t n = 0;

  for (; is_letter (*p->at); ++p->at)
    if (n < NAME_SIZE - 1)
      name[n++] = *p->at;
  name[n] = '\0';
}

/* ---- numbers ---- */

/* How many bytes the unit NAME is; 0 if there is no such unit. */
static uint64_t
unit_bytes (const char *name)
{
  static const char units[] = "KMGTPE";
  char c = name[0] >= 'a' && name[0] <= 'z'
    ? (char) (name[0] - 'a' + 'A') : name[0];
  const char *u;

  if (c == '\0')
    return 1;
  if (name[1] == '\0' && (c == 'B' || c == 'S'))
    return c == 'B' ? 1 : SECTOR_SIZE;
  u = strchr (units, c);
  if (u && (name[1] == '\0' || strcmp (name + 1, "iB") == 0))
    return UINT64_C (1) << (10 * (u - units + 1));
  return 0;
}

static double
parse_unit (struct parser *p)
{
  char name[NAME_SIZE];
  uint64_t bytes;

  p->at += strspn (p->at, BLANKS);
  read_name (p, name);
  bytes = unit_bytes (name);
  return bytes > 0 ? (double) bytes
    : set_error (p, "has the unknown unit '%s' (b, s, K, M, G, T, P and E "
                 "are known)", name);
}

/* Reads all digits as one whole number and divides it by a power of ten:
 * both are exact, so only the division rounds.
 */
static double
parse_number_and_unit (struct parser *p)
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
    if (digits > PARSE_SIZE_EXPRESSION_MAX || scale >= SCALE_MAX)
      return set_error (p, "has a number of too many digits");
    scale *= point ? 10 : 1;
  }
  if (!is_digit (p->at[-1]))
    return set_error (p, "has a number that ends with its point");
  return (double) digits / scale * parse_unit (p);
}

/* Reads TEXT exactly if it is a whole number with at most a unit, whose
 * value is up to PARSE_SIZE_MAX.  Otherwise returns false: then it is an
 * expression, or an error that the grammar describes.
 */
static bool
parse_whole_number (const char *text, uint64_t *bytes)
{
  struct parser p = { .at = text + strspn (text, SPACES) };
  char name[NAME_SIZE];
  uint64_t n, unit;

  p.at += *p.at == '+';
  if (!is_digit (*p.at))
    return false;
  for (n = 0; is_digit (*p.at); ++p.at)
    if (__builtin_mul_overflow (n, 10, &n)
        || __builtin_add_overflow (n, (uint64_t) (*p.at - '0'), &n))
      return false;
  p.at += strspn (p.at, BLANKS);
  read_name (&p, name);
  unit = unit_bytes (name);
  if (*p.at != '\0' || unit == 0 || n > PARSE_SIZE_MAX / unit)
    return false;
  *bytes = n * unit;
  return true;
}

/* ---- the grammar ---- */

/* Refuses infinity and NaN at once: later operations could make them finite
 * again, as in 4G / infinity or min (4G, NaN).
 */
static double
check_finite (struct parser *p, double value)
{
  return isfinite (value) ? value : set_error (p, "is too large");
}

static double
parse_parenthesis (struct parser *p)
{
  double value = parse_sum (p);

  return skip_character (p, ')') ? value : refuse_next_character (p);
}

static double
parse_min_max (struct parser *p, bool least)
{
  double value, next;

  if (!skip_character (p, '('))
    return refuse_next_character (p);
  value = parse_sum (p);
  while (!p->failed && skip_character (p, ',')) {
    next = parse_sum (p);
    value = least ? MIN (value, next) : MAX (value, next);
  }
  return skip_character (p, ')') ? value : refuse_next_character (p);
}

static double
parse_word (struct parser *p)
{
  char name[NAME_SIZE];

  read_name (p, name);
  if (strcmp (name, "ram") == 0)
    return p->ram;
  if (strcmp (name, "min") == 0 || strcmp (name, "max") == 0)
    return parse_min_max (p, name[1] == 'i');
  return set_error (p, "has the unknown word '%s' (ram, min and max are "
                    "known)", name);
}

static double
parse_factor (struct parser *p)
{
  double value;

  if (p->failed)
    return 0;
  if (++p->depth > DEPTH_MAX)
    return set_error (p, "is nested too deeply");
  if (skip_character (p, '-'))
    value = -parse_factor (p);
  else if (skip_character (p, '+'))
    value = parse_factor (p);
  else if (skip_character (p, '('))
    value = parse_parenthesis (p);
  else if (is_digit (*p->at))
    value = parse_number_and_unit (p);
  else if (is_letter (*p->at))
    value = parse_word (p);
  else
    value = refuse_next_character (p);
  p->depth--;
  return value;
}

static double
parse_product (struct parser *p)
{
  double value = parse_factor (p), divisor;

  while (!p->failed) {
    if (skip_character (p, '*'))
      value *= parse_factor (p);
    else if (skip_character (p, '/')) {
      divisor = parse_factor (p);
      if (!p->failed && fpclassify (divisor) == FP_ZERO)
        return set_error (p, "divides by zero");
      value /= divisor;
    }
    else
      break;
    value = check_finite (p, value);
  }
  return value;
}

static double
parse_sum (struct parser *p)
{
  double value = parse_product (p);

  while (!p->failed) {
    if (skip_character (p, '+'))
      value += parse_product (p);
    else if (skip_character (p, '-'))
      value -= parse_product (p);
    else
      break;
    value = check_finite (p, value);
  }
  return value;
}

int
parse_size (const char *text, uint64_t ram, uint64_t *bytes,
            char *error, size_t size)
{
  struct parser p = {
    .at = text, .ram = (double) ram, .error = error, .size = size,
  };
  double value;

  if (parse_whole_number (text, bytes))
    return 0;
  value = parse_sum (&p);
  if (!p.failed && *p.at != '\0')
    refuse_next_character (&p);
  if (!p.failed && value < 0)
    set_error (&p, "is less than nothing");
  if (!p.failed && value > (double) PARSE_SIZE_EXPRESSION_MAX)
    set_error (&p, "is too large");
  if (p.failed)
    return fail_with (EINVAL);
  *bytes = (uint64_t) value;
  return 0;
}

uint64_t
machine_ram (void)
{
  struct sysinfo si;

  return sysinfo (&si) == 0 ? (uint64_t) si.totalram * si.mem_unit : 0;
}
