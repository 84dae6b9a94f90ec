/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "lib/base/util.h"

#include "ascii.h"
#include "output.h"

static _Noreturn void
exit_no_memory (void)
{
  fprintf (stderr, "nbdzram: out of memory\n");
  exit (EXIT_FAILED);
}

/* ---- standard output ---- */

static int output_errno;        /* of a flush that failed */

void
output_flush (void)
{
  if (fflush (stdout) == EOF && output_errno == 0)
    output_errno = errno;
}

void
output_close (void)
{
  bool failed;

  output_flush ();
  failed = ferror (stdout) || output_errno != 0;
  if (fclose (stdout) == EOF && !failed && errno != EBADF) {
    output_errno = errno;
    failed = true;
  }
  if (!failed)
    return;
  fprintf (stderr, "nbdzram: writing the output: %s\n",
           output_errno ? strerror (output_errno) : "failed");
  _exit (EXIT_FAILED);
}

/* ---- numbers and texts ---- */

const char *
text_of_size (char text[TEXT_SIZE], uint64_t bytes)
{
  static const char suffixes[] = "BKMGTPE";
  const char *suffix = suffixes;
  double n = (double) bytes;
  char *zero;

  /* A number that would be printed as 1024.0 gets the next suffix. */
  for (; n >= 1023.95; n /= 1024)
    ++suffix;
  snprintf (text, TEXT_SIZE, "%.1f%c", n, *suffix);
  zero = strstr (text, ".0");
  if (zero)
    memmove (zero, zero + 2, strlen (zero + 2) + 1);
  return text;
}

const char *
text_of_number (char text[TEXT_SIZE], uint64_t n)
{
  snprintf (text, TEXT_SIZE, "%" PRIu64, n);
  return text;
}

uint64_t
json_number (const json_t *object, const char *key)
{
  return (uint64_t) json_integer_value (json_object_get (object, key));
}

uint64_t
json_sum (const json_t *list, const char *part, const char *key)
{
  const json_t *object;
  uint64_t sum = 0;
  size_t i;

  json_array_foreach (list, i, object)
    sum += json_number (part ? json_object_get (object, part) : object, key);
  return sum;
}

const char *
json_text (const json_t *object, const char *key)
{
  const char *text = json_string_value (json_object_get (object, key));

  return text ? text : "";
}

int
print_json (json_t *value)
{
  /* A terminal obeys characters that JSON need not escape. */
  int r = value ? json_dumpf (value, stdout, JSON_INDENT (2)
                                             | JSON_ENSURE_ASCII) : -1;

  json_decref (value);
  putchar ('\n');
  /* Write errors are reported at the end of the program. */
  if (r == 0 || ferror (stdout))
    return EXIT_OK;
  exit_no_memory ();
}

/* ---- names ---- */

/* Returns the bytes of the character at S, and in *COLUMNS its width, or -1
 * if it must not be sent to a terminal.
 */
static size_t
measure_character (const char *s, mbstate_t *state, int *columns)
{
  wchar_t c;
  size_t bytes = mbrtowc (&c, s, strlen (s), state);

  *columns = -1;
  if (bytes == (size_t) -1 || bytes == (size_t) -2) {
    memset (state, 0, sizeof *state);
    return 1;
  }
  if (iswprint ((wint_t) c) && strncmp (s, "\\x", 2) != 0)
    *columns = wcwidth (c);
  return bytes;
}

const char *
text_of_name (char text[NAME_SIZE], const char *name, unsigned columns)
{
  size_t length = 0;
  mbstate_t state = { 0 };

  columns = MIN (columns, (NAME_SIZE - 1) / 4);
  if (*name == '\0')
    name = "-";
  while (*name != '\0') {
    int width;
    size_t bytes = measure_character (name, &state, &width);
    unsigned taken = width >= 0 ? (unsigned) width : 4 * (unsigned) bytes;

    /* Characters without a width take bytes, too. */
    if (taken > columns || length + 4 * bytes >= NAME_SIZE)
      break;
    columns -= taken;
    for (; bytes > 0; --bytes, ++name)
      length += (size_t) snprintf (text + length, NAME_SIZE - length,
                                   width >= 0 ? "%c" : "\\x%02x",
                                   (unsigned char) *name);
  }
  text[length] = '\0';
  return text;
}

/* ---- tables ---- */

static void
add_column (struct output *o, unsigned column)
{
  if (o->count == ARRAY_SIZE (o->shown))
    exit_no_memory ();
  o->shown[o->count++] = column;
}

static void
add_named_column (struct output *o, const struct command *command,
                  const char *name, size_t length)
{
  for (unsigned i = 0; o->columns[i].name; ++i)
    if (strlen (o->columns[i].name) == length
        && ascii_same (o->columns[i].name, name, length)) {
      add_column (o, i);
      return;
    }
  usage_error (command, "unknown column %.*s", (int) length, name);
}

static void
choose_columns (struct output *o, const struct command *command,
                const struct table_options *options)
{
  const char *name = options->output;

  if (!name) {
    for (unsigned i = 0; o->columns[i].name; ++i)
      if (options->all || !o->columns[i].hidden)
        add_column (o, i);
    return;
  }
  for (;;) {
    size_t length = strcspn (name, ",");

    add_named_column (o, command, name, length);
    if (name[length] == '\0')
      return;
    name += length + 1;
  }
}

void
output_begin (struct output *o, const struct command *command,
              const struct column *columns,
              const struct table_options *options)
{
  *o = (struct output) { .columns = columns };
  choose_columns (o, command, options);
  o->table = scols_new_table ();
  if (!o->table)
    exit_no_memory ();
  scols_table_enable_raw (o->table, options->raw);
  scols_table_enable_noheadings (o->table, options->noheadings);
  for (unsigned i = 0; i < o->count; ++i) {
    const struct column *c = &o->columns[o->shown[i]];

    if (!scols_table_new_column (o->table, c->name, 0,
                                 c->kind ? SCOLS_FL_RIGHT : 0))
      exit_no_memory ();
  }
}

void
output_line (struct output *o,
             const char *(*cell) (void *opaque, unsigned column,
                                  char text[TEXT_SIZE]),
             void *opaque)
{
  struct libscols_line *line = scols_table_new_line (o->table, NULL);
  char text[TEXT_SIZE];

  if (!line)
    exit_no_memory ();
  for (unsigned i = 0; i < o->count; ++i) {
    const char *data = cell (opaque, o->shown[i], text);

    if (scols_line_set_data (line, i, data) != 0)
      exit_no_memory ();
  }
}

const char *
row_size (const struct row *row, char text[TEXT_SIZE], uint64_t bytes)
{
  return row->bytes ? text_of_number (text, bytes)
    : text_of_size (text, bytes);
}

const char *
row_cell (void *opaque, unsigned column, char text[TEXT_SIZE])
{
  const struct row *row = opaque;
  const struct column *c = &row->columns[column];
  const json_t *object = c->of_reply ? row->reply : row->part;
  const char *value;
  uint64_t n;

  if (!row->part && !c->always)
    return "-";
  if (c->format)
    return c->format (row, text);
  value = json_text (object, c->key);
  n = json_number (object, c->key);
  switch (c->kind) {
  case COLUMN_TEXT: return *value ? value : "-";
  case COLUMN_NUMBER: return text_of_number (text, n);
  case COLUMN_LIMIT: if (n == 0 && !row->bytes) return "-"; /* fallthrough */
  default: return row_size (row, text, n);
  }
}

int
output_end (struct output *o)
{
  int r = scols_print_table (o->table);

  scols_unref_table (o->table);
  if (r == 0 || ferror (stdout))
    return EXIT_OK;
  exit_no_memory ();
}
