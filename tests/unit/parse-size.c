/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes: plain numbers as nbdkit reads them, units, expressions; and an
 * error with its reason for all other texts.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "lib/base/util.h"
#include "service/parse-size.h"

#define RAM ((uint64_t) 6000000000)

static struct rng rng;

static const struct {
  const char *text;
  uint64_t bytes;
} good[] = {
  { "0", 0 },
  { "1", 1 },
  { "007", 7 },
  { "4K", 4096 },
  { "4K ", 4096 },
  { "4k", 4096 },
  { "4KiB", 4096 },
  { "3M", 3 * MIB },
  { "3 MiB", 3 * MIB },
  { "2G", 2 * GIB },
  { "2g", 2 * GIB },
  { "1T", 1024 * GIB },
  { "1P", 1024 * 1024 * GIB },
  { "1E", 1024 * 1024 * 1024 * GIB },
  { "8P", PARSE_SIZE_EXPRESSION_MAX },
  { "9P", 9 * 1024 * 1024 * GIB },
  { "7E", 7 * 1024 * 1024 * (1024 * GIB) },
  { "9223372036854775807", PARSE_SIZE_MAX },
  { "9223372036854775807b", PARSE_SIZE_MAX },
  { "9007199254740993", PARSE_SIZE_EXPRESSION_MAX + 1 },
  { "512b", 512 },
  { "512B", 512 },
  { "3s", 3 * 512 },
  { "3S", 3 * 512 },
  { "2t", 2 * 1024 * GIB },
  { "1p", 1024 * 1024 * GIB },
  { "1e", 1024 * 1024 * 1024 * GIB },
  { "+4K", 4096 },
  { "\n 4K", 4096 },
  { "-0", 0 },
  { "1.5K", 1536 },
  { "0.5 KiB", 512 },
  { "1.5B", 1 },
  { "99.9M", 104752742 },
  { "1023.9T", 1125789955679846 },
  { "+1 + +2", 3 },
  { "9007199254740992", PARSE_SIZE_EXPRESSION_MAX },
  { "9007199254740991", PARSE_SIZE_EXPRESSION_MAX - 1 },
  { "1.5G", 3 * GIB / 2 },
  { "0.5", 0 },
  { "1.9999", 1 },
  { "0.1K * 10", 1024 },
  { "ram", RAM },
  { " ram ", RAM },
  { "\tram\t/\t2", RAM / 2 },
  { "ram/7", RAM / 7 },
  { "ram / 3 * 3", RAM },
  { "ram * 0.25", RAM / 4 },
  { "min(ram / 2, 4G)", RAM / 2 },
  { "min(ram, 4G)", 4 * GIB },
  { "min (4G , ram)", 4 * GIB },
  { "max(ram / 2, 4G)", 4 * GIB },
  { "max(1, 3, 2)", 3 },
  { "min(3)", 3 },
  { "min(max(ram / 8, 256M), ram * 2)", RAM / 8 },
  { "1 + 2 * 3", 7 },
  { "(1 + 2) * 3", 9 },
  { "10 - 2 - 3", 5 },
  { "100 / 10 / 5", 2 },
  { "100 / (10 / 5)", 50 },
  { "2 * 3 / 4", 1 },
  { "- 1 + 2", 1 },
  { "--5", 5 },
  { "-(-5)", 5 },
  { "2 * -3 + 7", 1 },
  { "max(-1, 0)", 0 },
  { "((((7))))", 7 },
  { "ram - 1G", RAM - GIB },
};

static const struct {
  const char *text, *why;
} bad[] = {
  { "", "ends too early" },
  { "   ", "ends too early" },
  { "1 +", "ends too early" },
  { "(1", "ends too early" },
  { "min(1, 2", "ends too early" },
  { "min", "ends too early" },
  { "-", "ends too early" },
  { "1)", "unexpected ')'" },
  { "()", "unexpected ')'" },
  { "min()", "unexpected ')'" },
  { "min(1,)", "unexpected ')'" },
  { "min(,1)", "unexpected ','" },
  { "1, 2", "unexpected ','" },
  { "1 2", "unexpected '2'" },
  { "+", "ends too early" },
  { "1+", "ends too early" },
  { "1 * * 2", "unexpected '*'" },
  { "50%", "unexpected '%'" },
  { "1 \n", "unexpected character" },
  { "1 \xc3\xa9", "unexpected character" },
  { "4X", "unknown unit 'X'" },
  { "4KB", "unknown unit 'KB'" },
  { "4KIB", "unknown unit 'KIB'" },
  { "4bs", "unknown unit 'bs'" },
  { "4BiB", "unknown unit 'BiB'" },
  { "4GB", "unknown unit 'GB'" },
  { "8E", "too large" },
  { "1e3", "unexpected '3'" },
  { "0x10", "unknown unit 'x'" },
  { "4 ram", "unknown unit 'ram'" },
  { "4Kib", "unknown unit 'Kib'" },
  { "rom", "unknown word 'rom'" },
  { "RAM", "unknown word 'RAM'" },
  { "inf", "unknown word 'inf'" },
  { "nan", "unknown word 'nan'" },
  { "ramen", "unknown word 'ramen'" },
  { "average(1, 2)", "unknown word 'average'" },
  { "ram ram", "unexpected 'r'" },
  { "min 1", "unexpected '1'" },
  { "1.", "ends with its point" },
  { "1.G", "ends with its point" },
  { "1.2.3", "unexpected '.'" },
  { ".5", "unexpected '.'" },
  { "1 / 0", "divides by zero" },
  { "1 / (ram - ram)", "divides by zero" },
  { "0 / 0", "divides by zero" },
  { "-1", "less than nothing" },
  { "1G - 2G", "less than nothing" },
  { "-0.1", "less than nothing" },
  { "9007199254740993 + 1", "too many digits" },
  { "9223372036854775808", "too many digits" },
  { "99999999999999999999999999", "too many digits" },
  { "0.1234567890123456789", "too many digits" },
  { "9P + 0", "too large" },
  { "1.5E", "too large" },
  { "8P + 1", NULL },           /* rounds to 8P: 2^53 + 1 is no double */
  { "8P + 2", "too large" },
  { "ram * 1P", "too large" },
};

TEST (table_of_values)
{
  for (unsigned i = 0; i < ARRAY_SIZE (good); ++i) {
    char error[128] = "";
    uint64_t bytes;

    if (parse_size (good[i].text, RAM, &bytes, error, sizeof error))
      fail_msg ("'%s' %s", good[i].text, error);
    if (bytes != good[i].bytes)
      fail_msg ("'%s' is %" PRIu64 ", not %" PRIu64, good[i].text, bytes,
                good[i].bytes);
  }
}

TEST (table_of_refusals)
{
  for (unsigned i = 0; i < ARRAY_SIZE (bad); ++i) {
    char error[128] = "";
    uint64_t bytes;

    errno = 0;
    if (!bad[i].why) {
      assert_int_equal (parse_size (bad[i].text, RAM, &bytes, error,
                                          sizeof error), 0);
      continue;
    }
    if (parse_size (bad[i].text, RAM, &bytes, error, sizeof error) == 0)
      fail_msg ("'%s' is %" PRIu64, bad[i].text, bytes);
    assert_int_equal (errno, EINVAL);
    if (!strstr (error, bad[i].why))
      fail_msg ("'%s' %s, not %s", bad[i].text, error, bad[i].why);
  }
}

/* Infinity must not turn into a number again. */
TEST (infinity_on_the_way)
{
  static const char *const ends[] = {
    "", " * 0", " - 1", ") * 0", ", 4G)",
  };
  char text[2048], error[128];
  uint64_t bytes;

  for (unsigned i = 0; i < ARRAY_SIZE (ends); ++i) {
    strcpy (text, i == 3 ? "(1P" : i == 4 ? "min(1P" : "1P");
    for (unsigned n = 0; n < 40; ++n)
      strcat (text, " * 1P * 1P");
    strcat (text, ends[i]);
    assert_int_equal (parse_size (text, RAM, &bytes, error,
                                        sizeof error), -1);
    assert_string_equal (error, "is too large");
  }
}

TEST (nested_deeply)
{
  static const char *const starts[] = { "(", "-", "min(", "1+(" };
  static char text[1 << 20];
  char error[128];
  uint64_t bytes;

  for (unsigned i = 0; i < ARRAY_SIZE (starts); ++i) {
    text[0] = '\0';
    for (char *s = text; s < text + sizeof text - 8;)
      s = stpcpy (s, starts[i]);
    assert_int_equal (parse_size (text, RAM, &bytes, error,
                                        sizeof error), -1);
    assert_string_equal (error, "is nested too deeply");
  }
}

/* ---- random ones, whose value is known when they are made ---- */

struct text {
  char *at, *end;
};

/* Of what binds how strongly. */
enum level { SUM, PRODUCT, FACTOR };

static void __attribute__ ((format (printf, 2, 3)))
put (struct text *t, const char *format, ...)
{
  va_list ap;

  if (rng_below (&rng, 4) == 0 && t->at < t->end)
    *t->at++ = ' ';
  va_start (ap, format);
  t->at += vsnprintf (t->at, (size_t) (t->end - t->at), format, ap);
  va_end (ap);
  assert_true (t->at < t->end);
}

static double make (struct text *t, enum level level, unsigned depth);

static double
make_leaf (struct text *t)
{
  static const char units[] = "KMG";
  unsigned n = (unsigned) rng_below (&rng, 1000), u;

  switch (rng_below (&rng, 4)) {
  case 0:
    put (t, "ram");
    return (double) RAM;
  case 1:
    put (t, "%u.%03u", n, n);
    return (n * 1000 + n) / 1000.0;
  case 2:
    u = (unsigned) rng_below (&rng, 3);
    put (t, "%u%c", n, units[u]);
    return (double) n * (double) (UINT64_C (1) << (10 * (u + 1)));
  default:
    put (t, "%u", n);
    return n;
  }
}

static double
make_function (struct text *t, unsigned depth)
{
  bool least = rng_below (&rng, 2);
  unsigned more = (unsigned) rng_below (&rng, 3);
  double value, next;

  put (t, least ? "min" : "max");
  put (t, "(");
  value = make (t, SUM, depth - 1);
  while (more--) {
    put (t, ",");
    next = make (t, SUM, depth - 1);
    if (least ? next < value : next > value)
      value = next;
  }
  put (t, ")");
  return value;
}

static double
make_factor (struct text *t, unsigned depth)
{
  double value;

  switch (depth == 0 ? 3 : rng_below (&rng, 6)) {
  case 0:
    put (t, "-");
    return -make (t, FACTOR, depth - 1);
  case 1:
    return make_function (t, depth);
  case 2:
    put (t, "(");
    value = make (t, SUM, depth - 1);
    put (t, ")");
    return value;
  default:
    return make_leaf (t);
  }
}

static double
make (struct text *t, enum level level, unsigned depth)
{
  unsigned more = depth > 0 ? (unsigned) rng_below (&rng, 3) : 0;
  bool first;
  double value, next;

  if (level == FACTOR)
    return make_factor (t, depth);
  value = make (t, level + 1, depth);
  while (more--) {
    first = rng_below (&rng, 2);
    put (t, level == SUM ? first ? "+" : "-" : first ? "*" : "/");
    next = make (t, level + 1, depth - 1);
    if (level == SUM)
      value = first ? value + next : value - next;
    else
      value = first ? value * next : value / next;
  }
  return value;
}

TEST (random_expressions)
{
  static char buf[1 << 20];
  unsigned right = 0, rounds = unit_scaled (100000);

  for (unsigned i = 0; i < rounds; ++i) {
    struct text t = { buf, buf + sizeof buf };
    double value = make (&t, SUM, (unsigned) rng_below (&rng, 5));
    bool valid = value >= 0 && value <= (double) PARSE_SIZE_EXPRESSION_MAX;
    char error[128] = "";
    uint64_t bytes;

    if (parse_size (buf, RAM, &bytes, error, sizeof error) == 0) {
      if (!valid || bytes != (uint64_t) value)
        fail_msg ("'%s' is %" PRIu64 ", not %f", buf, bytes, value);
      right++;
    }
    /* A part may be what the whole is not, if min drops it. */
    else if (valid && !strstr (error, "divides by zero")
             && !strstr (error, "is too large"))
      fail_msg ("'%s' %s, but is %f", buf, error, value);
  }
  assert_true (right > rounds / 4);
}

/* Any text is a value or a reason. */
TEST (random_texts)
{
  static const char *const words[] = {
    "ram", "min", "max", "(", ")", ",", "+", "-", "*", "/", "1", "0", "4G",
    ".", " ", "K", "%", "\xff", "e", "99999999",
  };

  for (unsigned i = 0; i < unit_scaled (200000); ++i) {
    char text[256] = "", error[64] = "";
    uint64_t bytes = UINT64_MAX;

    for (uint64_t n = rng_below (&rng, 20); n > 0; --n)
      strcat (text, words[rng_below (&rng, ARRAY_SIZE (words))]);
    if (parse_size (text, RAM, &bytes, error, sizeof error) == 0)
      assert_true (bytes <= PARSE_SIZE_MAX && error[0] == '\0');
    else
      assert_true (bytes == UINT64_MAX && error[0] != '\0'
                   && strlen (error) < sizeof error);
  }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (table_of_values),
    cmocka_unit_test (table_of_refusals),
    cmocka_unit_test (infinity_on_the_way),
    cmocka_unit_test (nested_deeply),
    cmocka_unit_test (random_expressions),
    cmocka_unit_test (random_texts),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests (tests, NULL, NULL);
}
