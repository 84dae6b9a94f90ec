/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#include "export-table.h"

enum export_column {
  EXPORT, ALGORITHM, SIZE, QUOTA, HELD, DATA, CLIENTS, READS, READ, WRITES,
  WRITTEN, TRIMS, ERRORS, BANDWIDTH, ALLOW, SERVER,
};

const struct column export_columns[] = {
  [EXPORT] = { "EXPORT", "name of the export", false, false },
  [ALGORITHM] = { "ALGORITHM", "its own algorithm, if it has one",
                  false, false },
  [SIZE] = { "SIZE", "size of the export", true, false },
  [QUOTA] = { "QUOTA", "limit of the memory held", true, false },
  [HELD] = { "HELD", "memory held", true, false },
  [DATA] = { "DATA", "data stored, before compression", true, false },
  [CLIENTS] = { "CLIENTS", "connections now", true, false },
  [READS] = { "READS", "requests to read", true, true },
  [READ] = { "READ", "bytes read", true, false },
  [WRITES] = { "WRITES", "requests to write", true, true },
  [WRITTEN] = { "WRITTEN", "bytes written", true, false },
  [TRIMS] = { "TRIMS", "requests to trim or to write zeroes", true, true },
  [ERRORS] = { "ERRORS", "requests that failed", true, false },
  [BANDWIDTH] = { "BANDWIDTH", "limit of bytes read and written in a second",
                  true, true },
  [ALLOW] = { "ALLOW", "clients that may connect", false, true },
  [SERVER] = { "SERVER", "name of the server", false, true },
  { 0 },
};

/* Columns that are one number of the export. */
struct number_column {
  const char *key;
  bool size;                    /* in bytes */
  bool limit;                   /* 0: no limit */
};

static const struct number_column number_columns[] = {
  [SIZE] = { "size", true, false },
  [QUOTA] = { "quota", true, true },
  [HELD] = { "held", true, false },
  [DATA] = { "orig_data_size", true, false },
  [CLIENTS] = { "connections", false, false },
  [READS] = { "reads", false, false },
  [READ] = { "read_bytes", true, false },
  [WRITES] = { "writes", false, false },
  [WRITTEN] = { "write_bytes", true, false },
  [TRIMS] = { "trims", false, false },
  [ERRORS] = { "failed", false, false },
  [BANDWIDTH] = { "bandwidth", true, true },
};

/* What a row of the table is about. */
struct export_row {
  const json_t *reply, *device;
  bool bytes;
};

/* A missing value is "-", so that each row has all columns for scripts. */
static const char *
text_or_dash (const json_t *object, const char *key)
{
  const char *text = json_text (object, key);

  return *text ? text : "-";
}

static const char *
export_cell (void *opaque, unsigned column, char text[TEXT_SIZE])
{
  const struct export_row *l = opaque;
  const struct number_column *s;
  uint64_t n;

  switch (column) {
  case EXPORT: return text_or_dash (l->device, "name");
  case ALGORITHM: return text_or_dash (l->device, "algorithm");
  case ALLOW: return text_or_dash (l->device, "allow");
  case SERVER: return text_or_dash (l->reply, "name");
  }
  s = &number_columns[column];
  n = json_number (l->device, s->key);
  if (n == 0 && s->limit && !l->bytes)
    return "-";
  if (s->size && !l->bytes)
    return text_of_size (text, n);
  snprintf (text, TEXT_SIZE, "%" PRIu64, n);
  return text;
}

void
export_lines (struct output *o, const json_t *reply, bool bytes)
{
  const json_t *list = json_object_get (reply, "devices");

  for (size_t i = 0; i < json_array_size (list); ++i) {
    struct export_row l = {
      .reply = reply, .device = json_array_get (list, i), .bytes = bytes,
    };

    output_line (o, export_cell, &l);
  }
}
