/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <math.h>
#include <string.h>

#include "lib/base/util.h"

#include "functions.h"

static double
sign (double x)
{
  return copysign (1, x);
}

/* Rounds to the nearest multiple of MODULUS. */
static double
round_to (double modulus, double x)
{
  return round (x / modulus) * modulus;
}

static double
logarithm (double base, double x)
{
  return log (x) / log (base);
}

static const struct {
  const char *name;
  double (*call) (double x);
} functions[] = {
  { "int", trunc }, { "ceil", ceil }, { "floor", floor }, { "round", round },
  { "abs", fabs }, { "sign", sign }, { "log", log10 },
  { "sin", sin }, { "cos", cos }, { "tan", tan },
  { "asin", asin }, { "acos", acos }, { "atan", atan },
  { "sinh", sinh }, { "cosh", cosh }, { "tanh", tanh },
  { "asinh", asinh }, { "acosh", acosh }, { "atanh", atanh },
};

static const struct {
  const char *name;
  double (*call) (double a, double b);
} functions_of_two[] = {
  { "log", logarithm }, { "round", round_to },
};

static const struct {
  const char *name;
  double value;
} constants[] = {
  { "e", M_E }, { "pi", M_PI },
};

static double
min_or_max (bool least, const double *arguments, unsigned count)
{
  double value = arguments[0];

  for (unsigned i = 1; i < count; ++i)
    value = least ? fmin (value, arguments[i]) : fmax (value, arguments[i]);
  return value;
}

bool
function_call (const char *name, const double *arguments, unsigned count,
               double *result)
{
  bool least = strcmp (name, "min") == 0;

  if (count > 0 && (least || strcmp (name, "max") == 0)) {
    *result = min_or_max (least, arguments, count);
    return true;
  }
  for (size_t i = 0; count == 0 && i < ARRAY_SIZE (constants); ++i)
    if (strcmp (name, constants[i].name) == 0) {
      *result = constants[i].value;
      return true;
    }
  for (size_t i = 0; count == 1 && i < ARRAY_SIZE (functions); ++i)
    if (strcmp (name, functions[i].name) == 0) {
      *result = functions[i].call (arguments[0]);
      return true;
    }
  for (size_t i = 0; count == 2 && i < ARRAY_SIZE (functions_of_two); ++i)
    if (strcmp (name, functions_of_two[i].name) == 0) {
      *result = functions_of_two[i].call (arguments[0], arguments[1]);
      return true;
    }
  return false;
}

static bool
is_true (double x)
{
  return fpclassify (x) != FP_ZERO;
}

/* "a || b" is the first of both that is not 0; "a && b", which is 0 if A is,
 * else B.
 */
double
operator_apply (const char *op, double a, double b)
{
  switch (op[0]) {
  case '+':
    return a + b;
  case '-':
    return a - b;
  case '*':
    return a * b;
  case '/':
    return a / b;
  case '%':
    return fmod (a, b);
  case '^':
    return pow (a, b);
  case '<':
    return op[1] ? a <= b : a < b;
  case '>':
    return op[1] ? a >= b : a > b;
  case '=':
    return !is_true (a - b);
  case '!':
    return is_true (a - b);
  case '|':
    return is_true (a) ? a : b;
  default:
    return is_true (a) ? b : a;
  }
}
