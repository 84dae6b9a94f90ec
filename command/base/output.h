/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the replies of servers: numbers, JSON, and tables with the options
 * of zramctl(8).
 */

#ifndef NBDZRAM_COMMAND_BASE_OUTPUT_H
#define NBDZRAM_COMMAND_BASE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <libsmartcols.h>

#include "options.h"

/* ---- standard output ---- */

/* Flushes standard output; output_close reports errors. */
void output_flush (void);

/* For atexit: if any output could not be written, which may show only when it
 * is closed, reports why and ends the program with EXIT_FAILED.
 */
void output_close (void);

/* ---- numbers and texts ---- */

#define TEXT_SIZE 64

/* "512", "4K", "1.2G": at most one digit after the point. */
const char *text_of_size (char text[TEXT_SIZE], uint64_t bytes);

/* "512". */
const char *text_of_number (char text[TEXT_SIZE], uint64_t n);

/* The number at KEY of OBJECT; 0 if there is none. */
uint64_t json_number (const json_t *object, const char *key);

/* The sum of the numbers at KEY of all objects of LIST; or of their parts, if
 * PART is not NULL.  A list of NULL is empty.
 */
uint64_t json_sum (const json_t *list, const char *part, const char *key);

/* The text at KEY of OBJECT, which owns it; "" if there is none. */
const char *json_text (const json_t *object, const char *key);

/* Prints VALUE, which is taken over, as JSON in ASCII.  Returns the exit
 * code.
 */
int print_json (json_t *value);

/* ---- names ---- */

#define NAME_SIZE 1024          /* four bytes a column at most */

/* Makes the name of an export, which any client may have chosen, safe for a
 * terminal, and cuts it at COLUMNS columns.  Bytes of characters that can't
 * be printed, and a backslash before an x, become \xNN, as in tables.  The
 * empty name is "-".
 */
const char *text_of_name (char text[NAME_SIZE], const char *name,
                          unsigned columns);

/* ---- tables ---- */

struct table_options {
  bool bytes, raw, noheadings, all;
  const char *output;
};

#define OPTIONS_TABLE(t)                                                \
  { .name = "bytes", .letter = 'b', .flag = &(t)->bytes,                \
    .help = "sizes in bytes, without suffixes" },                         \
  { .name = "noheadings", .letter = 'n', .flag = &(t)->noheadings,      \
    .help = "don't print the headings" },                         \
  { .name = "output", .letter = 'o', .argument = "COL,...",             \
    .string = &(t)->output, .help = "the columns, in this order" },     \
  { .name = "output-all", .flag = &(t)->all, .help = "all columns" },   \
  { .name = "raw", .flag = &(t)->raw, .help = "for scripts" }

struct output {
  struct libscols_table *table;
  const struct column *columns; /* ended by a NULL name */
  unsigned shown[64];           /* indices in columns, by position */
  unsigned count;
};

/* Begins a table of COLUMNS, for COMMAND.  Invalid options end the program. */
void output_begin (struct output *o, const struct command *command,
                   const struct column *columns,
                   const struct table_options *options);

/* Adds a line.  CELL returns the text of COLUMN, an index in the list of all
 * columns, for OPAQUE: in TEXT, or a string of its own.  It is copied, and
 * characters that can't be printed are shown as \xNN.
 */
void output_line (struct output *o,
                  const char *(*cell) (void *opaque, unsigned column,
                                       char text[TEXT_SIZE]),
                  void *opaque);

/* What a row is about, for columns that say where their values are. */
struct row {
  const struct column *columns;
  const json_t *reply;          /* of the server */
  const json_t *part;           /* of REPLY, with the keys of most columns;
                                 * NULL: the server was not asked */
  bool bytes;                   /* print sizes in bytes */
};

/* For output_line: OPAQUE is a struct row.  A value that is missing is "-", so
 * that each row has all columns for scripts.
 */
const char *row_cell (void *opaque, unsigned column, char text[TEXT_SIZE]);

/* A size as the options of the table want it. */
const char *row_size (const struct row *row, char text[TEXT_SIZE],
                      uint64_t bytes);

/* Prints the table and frees it.  Returns the exit code. */
int output_end (struct output *o);

#endif /* NBDZRAM_COMMAND_BASE_OUTPUT_H */
