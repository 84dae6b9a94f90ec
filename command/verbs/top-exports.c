/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/util.h"

#include "top-exports.h"

/* ---- rates ---- */

/* An object with the devices of S by name, which the caller releases. */
static json_t *
index_by_name (const struct sample *s)
{
  json_t *index = json_object (), *device;
  size_t i;

  json_array_foreach (json_object_get (s->reply, "devices"), i, device) {
    const char *name = json_string_value (json_object_get (device, "name"));

    if (name)
      json_object_set (index, name, device);
  }
  return index;
}

static double
device_rate (const struct history *h, const json_t *now, const json_t *before,
      const char *key)
{
  return before ? history_difference (h, json_number (now, key),
                                      json_number (before, key)) : 0;
}

static int
busiest_first (const void *a, const void *b)
{
  const struct export_rates *x = a, *y = b;
  double busy_x = x->read_bytes + x->write_bytes;
  double busy_y = y->read_bytes + y->write_bytes;
  uint64_t held_x = json_number (x->device, "held");
  uint64_t held_y = json_number (y->device, "held");

  if (busy_x != busy_y)
    return busy_x < busy_y ? 1 : -1;
  if (held_x != held_y)
    return held_x < held_y ? 1 : -1;
  return x->index < y->index ? -1 : 1;
}

struct export_rates *
exports_rates (const struct history *h, size_t *count)
{
  const json_t *list = json_object_get (h->now.reply, "devices");
  struct export_rates *all = calloc (json_array_size (list), sizeof *all);
  json_auto_t *before = index_by_name (&h->before);

  *count = all ? json_array_size (list) : 0;
  for (size_t i = 0; i < *count; ++i) {
    const json_t *now = json_array_get (list, i);
    const json_t *then = json_object_get (before, json_text (now, "name"));

    all[i] = (struct export_rates) {
      .device = now, .index = i,
      .reads = device_rate (h, now, then, "reads"),
      .read_bytes = device_rate (h, now, then, "read_bytes"),
      .writes = device_rate (h, now, then, "writes"),
      .write_bytes = device_rate (h, now, then, "write_bytes"),
    };
  }
  if (*count > 0)
    qsort (all, *count, sizeof *all, busiest_first);
  return all;
}

/* ---- lines ---- */

/* Terminals with so many columns have room for the algorithm, too. */
#define WIDE 100
#define ALGORITHM_COLUMNS 18    /* zstd:level=-131072 */

/* Names are the last column, since some are long. */

void
exports_heading (char line[EXPORT_LINE_SIZE], unsigned columns)
{
  snprintf (line, MIN (columns + 1, EXPORT_LINE_SIZE),
            "%8s %8s %8s %8s %8s %8s %8s  %-*s%s", "HELD", "QUOTA",
            "CLIENTS", "READS/s", "READ/s", "WRITES/s", "WRITE/s",
            columns < WIDE ? 0 : ALGORITHM_COLUMNS + 1,
            columns < WIDE ? "" : "ALGORITHM", "EXPORT");
}

/* Its algorithm, or "-", and a space. */
static const char *
algorithm_column (char text[ALGORITHM_COLUMNS + 2], const json_t *device)
{
  const char *own = json_string_value (json_object_get (device, "algorithm"));

  snprintf (text, ALGORITHM_COLUMNS + 2, "%-*.*s ", ALGORITHM_COLUMNS,
            ALGORITHM_COLUMNS, own && *own ? own : "-");
  for (char *p = text; *p != '\0'; ++p)
    if (*p < ' ' || *p > '~')
      *p = '?';
  return text;
}

void
exports_line (char line[EXPORT_LINE_SIZE], const struct export_rates *e,
              unsigned columns)
{
  uint64_t quota = json_number (e->device, "quota");
  char held[TEXT_SIZE], most[TEXT_SIZE], in[TEXT_SIZE], out[TEXT_SIZE];
  char algorithm[ALGORITHM_COLUMNS + 2], text[NAME_SIZE];
  int length;

  length = snprintf (line, EXPORT_LINE_SIZE,
                     "%8s %8s %8" PRIu64 " %8.0f %8s %8.0f %8s  %s",
                     text_of_size (held, json_number (e->device, "held")),
                     quota > 0 ? text_of_size (most, quota) : "-",
                     json_number (e->device, "connections"),
                     e->reads, text_of_size (out, (uint64_t) e->read_bytes),
                     e->writes, text_of_size (in, (uint64_t) e->write_bytes),
                     columns < WIDE ? ""
                     : algorithm_column (algorithm, e->device));
  if (columns <= (unsigned) length) {
    line[columns] = '\0';
    return;
  }
  text_of_name (text, json_text (e->device, "name"),
                columns - (unsigned) length);
  snprintf (line + length, EXPORT_LINE_SIZE - (size_t) length, "%s", text);
}
