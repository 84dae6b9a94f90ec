/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exports in "nbdzram top" and tables: rates between two samples, the order of
 * lines, and names that would harm a terminal.
 */

#include <config.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/verbs/top-exports.h"
#include "lib/base/util.h"

static struct rng rng;

/* ---- sizes ---- */

TEST (sizes_as_text)
{
  static const struct {
    uint64_t bytes;
    const char *text;
  } rows[] = {
    { 0, "0B" }, { 1023, "1023B" }, { KIB, "1K" }, { 1536, "1.5K" },
    { 10 * KIB + 51, "10K" }, { 10 * KIB + 52, "10.1K" },
    { 1000 * KIB, "1000K" }, { MIB - 52, "1023.9K" }, { MIB - 51, "1M" },
    { MIB - 1, "1M" }, { GIB - 1, "1G" }, { UINT64_MAX, "16E" },
  };
  char text[TEXT_SIZE];

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i)
    assert_string_equal (text_of_size (text, rows[i].bytes), rows[i].text);
}

/* ---- samples ---- */

static json_t *
device (const char *name, unsigned held, unsigned reads, unsigned read_bytes,
        unsigned writes, unsigned write_bytes)
{
  json_t *d = json_pack ("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}",
                         "name", name, "held", held, "quota", 0,
                         "connections", 1, "reads", reads,
                         "read_bytes", read_bytes, "writes", writes,
                         "write_bytes", write_bytes);

  assert_non_null (d);
  return d;
}

static json_t *
reply (json_t *devices)
{
  json_t *r = json_pack ("{s:o}", "devices", devices);

  assert_non_null (r);
  return r;
}

static const char *
name_of (const struct export_rates *e)
{
  return json_string_value (json_object_get (e->device, "name"));
}

/* ---- rates ---- */

TEST (rates_between_samples)
{
  struct history h = { .length = 0 };
  struct export_rates *all;
  size_t count;

  history_add (&h, reply (json_pack (
    "[o, o, o]", device ("", 5, 10, 100, 10, 100),
    device ("idle", 9, 1, 1, 1, 1),
    device ("anew", 1, 50, 5000, 50, 5000))), 1);
  history_add (&h, reply (json_pack (
    "[o, o, o, o, o]", device ("", 5, 30, 1100, 14, 2100),
    device ("new", 7, 4, 400, 4, 400), device ("idle", 9, 1, 1, 1, 1),
    device ("anew", 8, 5, 500, 60, 5500), device ("last", 7, 0, 0, 0, 0))),
    3);
  all = exports_rates (&h, &count);
  assert_non_null (all);
  assert_int_equal (count, 5);

  /* By bytes, then by memory, then in the order of the server. */
  assert_string_equal (name_of (&all[0]), "");
  assert_string_equal (name_of (&all[1]), "anew");
  assert_string_equal (name_of (&all[2]), "idle");
  assert_string_equal (name_of (&all[3]), "new");
  assert_string_equal (name_of (&all[4]), "last");

  assert_true (all[0].reads == 10 && all[0].read_bytes == 500);
  assert_true (all[0].writes == 2 && all[0].write_bytes == 1000);
  /* Removed and added again in between, as its reads show. */
  assert_true (all[1].reads == 0 && all[1].read_bytes == 0);
  assert_true (all[1].writes == 5 && all[1].write_bytes == 250);
  assert_true (all[3].reads == 0 && all[3].write_bytes == 0);
  free (all);
  history_free (&h);
}

TEST (first_sample_has_none)
{
  struct history h = { .length = 0 };
  struct export_rates *all;
  size_t count;

  history_add (&h, reply (json_pack ("[o]", device ("a", 1, 2, 3, 4, 5))), 1);
  all = exports_rates (&h, &count);
  assert_int_equal (count, 1);
  assert_true (all[0].reads == 0 && all[0].writes == 0);
  free (all);
  /* A server without exports, or with a senseless reply. */
  history_add (&h, json_pack ("{s:[i, n, {}]}", "devices", 7), 2);
  all = exports_rates (&h, &count);
  assert_int_equal (count, 3);
  free (all);
  history_add (&h, json_object (), 3);
  all = exports_rates (&h, &count);
  assert_int_equal (count, 0);
  free (all);
  history_free (&h);
}

/* ---- names ---- */

TEST (names_that_do_harm)
{
  static const struct {
    const char *name, *shown;
  } cases[] = {
    { "", "-" },
    { "a b\"c\\d$(e)", "a b\"c\\d$(e)" },
    { "a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f" },
    { "\x1b[31m", "\\x1b[31m" },
    { "\xc2\x9b" "31m", "\\xc2\\x9b31m" },
    { "\\x41", "\\x5cx41" },
    { "gr\xc3\xb6\xc3\x9f" "e", "gr\xc3\xb6\xc3\x9f" "e" },
    { "\xff\xc3", "\\xff\\xc3" },
  };
  char text[NAME_SIZE];

  for (size_t i = 0; i < ARRAY_SIZE (cases); ++i)
    assert_string_equal (text_of_name (text, cases[i].name, NAME_SIZE),
                         cases[i].shown);
  /* Cut between characters, never in one. */
  assert_string_equal (text_of_name (text, "abc", 2), "ab");
  assert_string_equal (text_of_name (text, "a\nb", 4), "a");
  assert_string_equal (text_of_name (text, "a\nb", 5), "a\\x0a");
  assert_string_equal (text_of_name (text, "\xe6\xbc\xa2\xe5\xad\x97", 3),
                       "\xe6\xbc\xa2");
  assert_string_equal (text_of_name (text, "x", 0), "");
}

/* The columns of TEXT, all of whose characters can be printed. */
static unsigned
columns_of (const char *text)
{
  mbstate_t mb = { 0 };
  unsigned columns = 0;

  while (*text != '\0') {
    wchar_t c;
    size_t n = mbrtowc (&c, text, strlen (text), &mb);

    assert_true (n != (size_t) -1 && n != (size_t) -2);
    assert_true (iswprint ((wint_t) c));
    columns += (unsigned) wcwidth (c);
    text += n;
  }
  return columns;
}

TEST (any_name_in_any_width)
{
  static const char *const parts[] = {
    "a", "\xc3\xa4", "\xe6\xbc\xa2", "\xcc\x81", "\xe2\x80\xae", "\x1b",
    "\\x", "\n", "\xff", "\xf0\x9f\x98\x80", "\xc2\x85", " ",
  };

  for (unsigned i = 0; i < unit_scaled (20000); ++i) {
    char name[256] = "", text[NAME_SIZE], line[EXPORT_LINE_SIZE];
    unsigned width = (unsigned) rng_below (&rng, 1200);
    struct export_rates e = { .reads = 1e9, .read_bytes = 1e18 };
    json_t *device;

    while (strlen (name) < sizeof name - 5 && rng_below (&rng, 60) > 0)
      strcat (name, parts[rng_below (&rng, ARRAY_SIZE (parts))]);
    text_of_name (text, name, width);
    assert_true (columns_of (text) <= width);

    /* JSON has only names in UTF-8. */
    device = json_pack ("{s:s?, s:I, s:s?}", "name", name, "held",
                        (json_int_t) 1 << 40, "algorithm",
                        i % 3 == 0 ? NULL : i % 3 == 1 ? name
                        : "zstd:level=-131072");
    e.device = device;
    exports_line (line, &e, width);
    assert_true (columns_of (line) <= width);
    exports_heading (line, width);
    assert_true (columns_of (line) <= width);
    json_decref (device);
  }
}

/* ---- */

static int
setup (void **state)
{
  (void) state;
  return setlocale (LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (sizes_as_text),
    cmocka_unit_test (rates_between_samples),
    cmocka_unit_test (first_sample_has_none),
    cmocka_unit_test (names_that_do_harm),
    cmocka_unit_test (any_name_in_any_width),
  };

  rng.state = unit_seed ();
  return cmocka_run_group_tests (tests, setup, NULL);
}
