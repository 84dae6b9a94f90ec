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
  [EXPORT] = { "EXPORT", "its name", false, false },
  [ALGORITHM] = { "ALGORITHM", "how its pages are compressed, if it says so",
                  false, false },
  [SIZE] = { "SIZE", "what could be written", true, false },
  [QUOTA] = { "QUOTA", "the most memory that it may hold", true, false },
  [HELD] = { "HELD", "memory that it holds", true, false },
  [DATA] = { "DATA", "what was written, before compression", true, false },
  [CLIENTS] = { "CLIENTS", "connections at this moment", true, false },
  [READS] = { "READS", "requests to read", true, true },
  [READ] = { "READ", "how much was read", true, false },
  [WRITES] = { "WRITES", "requests to write", true, true },
  [WRITTEN] = { "WRITTEN", "how much was written", true, false },
  [TRIMS] = { "TRIMS", "requests to trim, or to write zeroes", true, true },
  [ERRORS] = { "ERRORS", "requests that failed", true, false },
  [BANDWIDTH] = { "BANDWIDTH", "the most to read and write in a second",
                  true, true },
  [ALLOW] = { "ALLOW", "who may connect", false, true },
  [SERVER] = { "SERVER", "what the server is called", false, true },
  { 0 },
};

/* What is behind a column that is a number. */
struct source {
  const char *key;
  bool size;                    /* in bytes */
  bool limit;                   /* 0: there is none */
};

static const struct source sources[] = {
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

/* What a line is about. */
struct line {
  const json_t *reply, *device;
  bool bytes;
};

/* Where nothing is said there is still a word, for scripts. */
static const char *
text_or_dash (const json_t *object, const char *key)
{
  const char *text = json_text (object, key);

  return *text ? text : "-";
}

static const char *
cell (void *opaque, unsigned column, char text[TEXT_SIZE])
{
  const struct line *l = opaque;
  const struct source *s;
  uint64_t n;

  switch (column) {
  case EXPORT: return text_or_dash (l->device, "name");
  case ALGORITHM: return text_or_dash (l->device, "algorithm");
  case ALLOW: return text_or_dash (l->device, "allow");
  case SERVER: return text_or_dash (l->reply, "name");
  }
  s = &sources[column];
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
    struct line l = {
      .reply = reply, .device = json_array_get (list, i), .bytes = bytes,
    };

    output_line (o, cell, &l);
  }
}
