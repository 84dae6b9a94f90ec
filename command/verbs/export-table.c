/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include "export-table.h"

const struct column export_columns[] = {
  { "EXPORT", "name of the export", .key = "name" },
  { "ALGORITHM", "its own algorithm, if it has one", .key = "algorithm" },
  { "SIZE", "size of the export", COLUMN_SIZE, .key = "size" },
  { "QUOTA", "limit of the memory held", COLUMN_LIMIT, .key = "quota" },
  { "HELD", "memory held", COLUMN_SIZE, .key = "held" },
  { "DATA", "data stored, before compression", COLUMN_SIZE,
    .key = "orig_data_size" },
  { "CLIENTS", "connections now", COLUMN_NUMBER, .key = "connections" },
  { "READS", "requests to read", COLUMN_NUMBER, true, .key = "reads" },
  { "READ", "bytes read", COLUMN_SIZE, .key = "read_bytes" },
  { "WRITES", "requests to write", COLUMN_NUMBER, true, .key = "writes" },
  { "WRITTEN", "bytes written", COLUMN_SIZE, .key = "write_bytes" },
  { "TRIMS", "requests to trim or to write zeroes", COLUMN_NUMBER, true,
    .key = "trims" },
  { "ERRORS", "requests that failed", COLUMN_NUMBER, .key = "failed" },
  { "BANDWIDTH", "limit of bytes read and written in a second", COLUMN_LIMIT,
    true, .key = "bandwidth" },
  { "ALLOW", "clients that may connect", COLUMN_TEXT, true, .key = "allow" },
  { "SERVER", "name of the server", COLUMN_TEXT, true, .key = "name",
    .of_reply = true },
  { 0 },
};

void
export_lines (struct output *o, const json_t *reply, bool bytes)
{
  json_t *device;
  size_t i;

  json_array_foreach (json_object_get (reply, "devices"), i, device) {
    struct row row = { export_columns, reply, device, bytes };

    output_line (o, row_cell, &row);
  }
}
