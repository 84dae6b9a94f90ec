/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Printing what servers say: numbers, JSON, and tables with the options
 * of zramctl(8).
 */

#ifndef NBDZRAM_COMMAND_BASE_OUTPUT_H
#define NBDZRAM_COMMAND_BASE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <libsmartcols.h>

#include "options.h"

/* ---- where it goes ---- */

/* Flush standard output. */
void output_flush (void);

/* For atexit: if any output could not be written, which may be known only
 * when it is closed, say why, and end the program with EXIT_FAILED.
 */
void output_close (void);

/* ---- numbers and texts ---- */

#define TEXT_SIZE 64

/* "512", "4K", "1.2G": at most one digit after the point. */
const char *text_of_size (char text[TEXT_SIZE], uint64_t bytes);

/* A number at KEY of OBJECT; 0 where there is none. */
uint64_t json_number (const json_t *object, const char *key);

/* The text at KEY of OBJECT, which keeps it; "" where there is none. */
const char *json_text (const json_t *object, const char *key);

/* Print VALUE, which is taken over, as JSON in ASCII.  Returns the exit
 * code.
 */
int print_json (json_t *value);

/* ---- names ---- */

#define NAME_SIZE 1024          /* no column takes more than four bytes */

/* The name of an export, which any client may have chosen, as a terminal
 * may see it, in at most COLUMNS columns: bytes of characters that can't
 * be printed, and a backslash before an x, become \xNN, as in tables.
 * The empty name is "-".
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
    .help = "sizes in bytes, not for people" },                         \
  { .name = "noheadings", .letter = 'n', .flag = &(t)->noheadings,      \
    .help = "leave the line of headings out" },                         \
  { .name = "output", .letter = 'o', .argument = "COL,...",             \
    .string = &(t)->output, .help = "the columns, in this order" },     \
  { .name = "output-all", .flag = &(t)->all, .help = "all columns" },   \
  { .name = "raw", .flag = &(t)->raw, .help = "for scripts" }

struct output {
  struct libscols_table *table;
  const struct column *columns; /* ended by a NULL name */
  unsigned shown[64];           /* which, by position */
  unsigned count;
};

/* Begin a table of COLUMNS, for COMMAND.  Options that make no sense end
 * the program.
 */
void output_begin (struct output *o, const struct command *command,
                   const struct column *columns,
                   const struct table_options *options);

/* Add a line, its cells filled by CELL, which returns what column number
 * COLUMN (in the list of all) has to say of OPAQUE: TEXT, or a string of
 * its own.  It is copied, and may be anything: what can't be printed is
 * shown as \xNN.
 */
void output_line (struct output *o,
                  const char *(*cell) (void *opaque, unsigned column,
                                       char text[TEXT_SIZE]),
                  void *opaque);

/* Print it.  Returns the exit code. */
int output_end (struct output *o);

#endif /* NBDZRAM_COMMAND_BASE_OUTPUT_H */
