/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/util.h"

#include "expression.h"
#include "functions.h"
#include "translation.h"

#define DEPTH_MAX 32
#define BLANKS " \t"

struct parser {
  const char *at;
  double ram;
  unsigned depth;
  struct expression *result;
  bool failed;                  /* ERROR says why; only the first counts */
  char *error;
  size_t error_size;
};

static void parse_binary (struct parser *p, unsigned level, struct node *n);

static void __attribute__ ((format (printf, 2, 3)))
refuse (struct parser *p, const char *format, ...)
{
  va_list ap;

  if (p->failed)
    return;
  p->failed = true;
  va_start (ap, format);
  vsnprintf (p->error, p->error_size, format, ap);
  va_end (ap);
}

static void
refuse_next_character (struct parser *p)
{
  if (*p->at == '\0')
    refuse (p, "ends too early");
  else if (!isprint ((unsigned char) *p->at))
    refuse (p, "has an unexpected character");
  else
    refuse (p, "has an unexpected '%c'", *p->at);
}

static bool
skip_text (struct parser *p, const char *text)
{
  size_t length = strlen (text);

  p->at += strspn (p->at, BLANKS);
  if (strncmp (p->at, text, length) != 0)
    return false;
  p->at += length;
  return true;
}

/* ---- operands ---- */

static void
parse_number (struct parser *p, struct node *n)
{
  static const struct {
    char letter;
    double value;
  } suffixes[] = {
    { 'p', 1e-12 }, { 'n', 1e-9 }, { 'u', 1e-6 }, { 'm', 1e-3 },
    { 'k', 1e3 }, { 'K', 1e3 }, { 'M', 1e6 }, { 'G', 1e9 }, { 'T', 1e12 },
  };
  char text[TEXT_NUMBER_SIZE], *end;
  size_t length = strspn (p->at, "0123456789.");

  if (p->at[length] == 'e' || p->at[length] == 'E') {
    length += 1 + (p->at[length + 1] == '-' || p->at[length + 1] == '+');
    length += strspn (p->at + length, "0123456789");
  }
  if (length >= sizeof text) {
    refuse (p, "has a number of too many digits");
    return;
  }
  snprintf (text, sizeof text, "%.*s", (int) length, p->at);
  n->value = strtod (text, &end);
  if (*end != '\0' || end == text) {
    refuse (p, "has '%s', which is no number", text);
    return;
  }
  p->at += length;
  for (size_t i = 0; i < ARRAY_SIZE (suffixes); ++i)
    if (*p->at == suffixes[i].letter) {
      n->value *= suffixes[i].value;
      p->at++;
      return;
    }
}

/* Reads what is in parentheses, up to the closing one. */
static void
parse_arguments (struct parser *p, const char *close,
                 struct node arguments[FUNCTION_ARGUMENTS_MAX],
                 unsigned *count)
{
  *count = 0;
  if (skip_text (p, close))
    return;
  do {
    if (*count == FUNCTION_ARGUMENTS_MAX) {
      refuse (p, "has a function of more than %d values",
              FUNCTION_ARGUMENTS_MAX);
      return;
    }
    parse_binary (p, 0, &arguments[(*count)++]);
  } while (!p->failed && (skip_text (p, ",") || skip_text (p, ";")));
  if (!skip_text (p, close))
    refuse_next_character (p);
}

static void
call_function (struct parser *p, const char *name,
               const struct node *arguments, unsigned count, struct node *n)
{
  double values[FUNCTION_ARGUMENTS_MAX] = { 0 };

  for (unsigned i = 0; i < count; ++i) {
    values[i] = arguments[i].value;
    n->has_ram |= arguments[i].has_ram;
  }
  if (!function_call (name, values, count, &n->value))
    refuse (p, "has the unknown function %s with %u value%s", name, count,
            count == 1 ? "" : "s");
  else if (n->has_ram
           && (strcmp (name, "min") == 0 || strcmp (name, "max") == 0))
    node_translate_call (n, name, arguments, count);
}

static void
parse_name (struct parser *p, struct node *n)
{
  struct node arguments[FUNCTION_ARGUMENTS_MAX];
  char name[EXPRESSION_NAME_SIZE];
  size_t length = 0;
  unsigned count;

  while (isalnum ((unsigned char) p->at[length]) || p->at[length] == '_')
    length++;
  if (length >= sizeof name) {
    refuse (p, "has a name that is too long");
    return;
  }
  snprintf (name, sizeof name, "%.*s", (int) length, p->at);
  p->at += length;
  if (strcmp (name, "ram") == 0)
    node_set_ram (n, p->ram);
  else if (skip_text (p, "(") || skip_text (p, "[")) {
    parse_arguments (p, p->at[-1] == '(' ? ")" : "]", arguments, &count);
    if (!p->failed)
      call_function (p, name, arguments, count, n);
  }
  else if (!function_call (name, NULL, 0, &n->value)
           && !p->result->variable[0])
    strcpy (p->result->variable, name);
}

static void
parse_parentheses (struct parser *p, const char *close, struct node *n)
{
  parse_binary (p, 0, n);
  if (!skip_text (p, close))
    refuse_next_character (p);
}

static void parse_unary (struct parser *p, char op, struct node *n);

static void
parse_operand (struct parser *p, struct node *n)
{
  *n = (struct node) { .rank = RANK_FACTOR };
  if (p->failed)
    return;
  if (++p->depth > DEPTH_MAX) {
    refuse (p, "is nested too deeply");
    return;
  }
  p->at += strspn (p->at, BLANKS);
  if (*p->at == '-' || *p->at == '+' || *p->at == '!')
    parse_unary (p, *p->at++, n);
  else if (skip_text (p, "("))
    parse_parentheses (p, ")", n);
  else if (skip_text (p, "["))
    parse_parentheses (p, "]", n);
  else if (isdigit ((unsigned char) *p->at) || *p->at == '.')
    parse_number (p, n);
  else if (isalpha ((unsigned char) *p->at) || *p->at == '_')
    parse_name (p, n);
  else
    refuse_next_character (p);
  p->depth--;
}

static void
parse_unary (struct parser *p, char op, struct node *n)
{
  struct node a;

  parse_operand (p, &a);
  if (op == '+') {
    *n = a;
    return;
  }
  n->has_ram = a.has_ram;
  if (op == '!') {
    n->value = fpclassify (a.value) == FP_ZERO;
    return;
  }
  n->value = -a.value;
  node_translate_negative (n, &a);
}

/* ---- operators ---- */

/* By level, from those that bind least.  In a level, a longer one comes before
 * one that it begins with.
 */
static const char *const operators[][7] = {
  { "||" },
  { "&&" },
  { "==", "!=", "<=", ">=", "<", ">" },
  { "+", "-" },
  { "*", "/" },
  { "%" },
  { "^" },
};

static const char *
skip_operator (struct parser *p, unsigned level)
{
  for (const char *const *o = operators[level]; *o; ++o)
    if (skip_text (p, *o))
      return *o;
  return NULL;
}

/* Sets N to A OP B. */
static void
combine (struct node *n, const struct node *a, const char *op,
         const struct node *b)
{
  *n = (struct node) { .has_ram = a->has_ram || b->has_ram };
  n->value = operator_apply (op, a->value, b->value);
  if (!n->has_ram)
    return;
  if (strchr ("+-", op[0]))
    node_translate_sum (n, a, op[0], b);
  else if (strchr ("*/", op[0]))
    node_translate_product (n, a, op[0], b);
}

static void
parse_binary (struct parser *p, unsigned level, struct node *n)
{
  bool from_right = level + 1 == ARRAY_SIZE (operators);
  const char *op;
  struct node a, b;

  if (level == ARRAY_SIZE (operators)) {
    parse_operand (p, n);
    return;
  }
  parse_binary (p, level + 1, n);
  while (!p->failed && (op = skip_operator (p, level)) != NULL) {
    a = *n;
    if (++p->depth > DEPTH_MAX)
      refuse (p, "is nested too deeply");
    else
      parse_binary (p, from_right ? level : level + 1, &b);
    if (!p->failed)
      combine (n, &a, op, &b);
    p->depth--;
  }
}

int
expression_parse (const char *text, uint64_t ram, struct expression *e,
                  char *error, size_t size)
{
  struct parser p = {
    .at = text, .ram = (double) ram, .result = e,
    .error = error, .error_size = size,
  };
  struct node n;

  *e = (struct expression) { .megabytes = 0 };
  parse_binary (&p, 0, &n);
  p.at += strspn (p.at, BLANKS);
  if (*p.at != '\0')
    refuse_next_character (&p);
  if (p.failed)
    return -1;
  if (e->variable[0])
    return 0;
  e->megabytes = n.value;
  if (!node_translate (&n, e->size))
    e->size[0] = '\0';
  return 0;
}
