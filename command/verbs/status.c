/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram status: a table of servers, and one of their exports. */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/attach/status.h"
#include "command/base/control-client.h"
#include "command/base/output.h"

#include "export-table.h"

enum status_column {
  NAME, ALGORITHM, DISKSIZE, DATA, COMPR, TOTAL, RATIO, SAME, HUGE_PAGES,
  IDLE, DUP, BACKED, ERRORS, BACKING, MEM_LIMIT, MEM_USED, MIGRATED,
  PAGE_SIZE, DAMAGED, CLIENTS, PID, UPTIME, DEVICE, SWAPPED, RECONNECTS,
  HALVES, BACKING_SYNC, BACKING_STALE, CONTROL,
};

const struct column status_columns[] = {
  [NAME] = { "NAME", "name of the server", false, false },
  [ALGORITHM] = { "ALGORITHM", "how pages are compressed", false, false },
  [DISKSIZE] = { "DISKSIZE", "size of the disks", true, false },
  [DATA] = { "DATA", "data stored, before compression", true, false },
  [COMPR] = { "COMPR", "the same data after compression", true, false },
  [TOTAL] = { "TOTAL", "memory held, including bookkeeping", true, false },
  [RATIO] = { "RATIO", "DATA divided by TOTAL", true, false },
  [SAME] = { "SAME", "pages that repeat one word", true, false },
  [HUGE_PAGES] = { "HUGE", "pages stored raw", true, false },
  [IDLE] = { "IDLE", "pages not accessed for a long time", true, false },
  [DUP] = { "DUP", "pages that share the memory of others", true, false },
  [BACKED] = { "BACKED", "pages written back", true, false },
  [BACKING] = { "BACKING", "state of the backing file", false, true },
  [ERRORS] = { "ERRORS", "requests that failed", true, false },
  [MEM_LIMIT] = { "MEM-LIMIT", "limit of the memory held", true,
                  true },
  [MEM_USED] = { "MEM-USED", "most memory held so far", true, true },
  [MIGRATED] = { "MIGRATED", "OS pages freed by compaction", true, true },
  [PAGE_SIZE] = { "PAGE-SIZE", "unit of compression", true, true },
  [DAMAGED] = { "DAMAGED", "times a page was found damaged", true, true },
  [CLIENTS] = { "CLIENTS", "connections now", true, true },
  [PID] = { "PID", "process ID", true, true },
  [UPTIME] = { "UPTIME", "seconds since it started", true, true },
  [DEVICE] = { "DEVICE", "block device of the kernel", false, true },
  [SWAPPED] = { "SWAPPED", "bytes swapped out to the device", true, true },
  [RECONNECTS] = { "RECONNECTS", "times that the device was reconnected", true,
                   true },
  [HALVES] = { "HALVES", "of a mirror: members in sync / all", false,
               true },
  [BACKING_SYNC] = { "BACKING-SYNC", "of a mirrored backing file: replicas "
                     "in sync / all", false, true },
  [BACKING_STALE] = { "BACKING-STALE", "times that it had other data",
                      true, true },
  [CONTROL] = { "CONTROL", "path of the control socket", false, true },
  { 0 },
};

/* What a row of the table is about. */
struct status_row {
  const char *name;             /* of the server */
  const json_t *reply, *statistics;
  bool bytes;
};

static uint64_t
disk_size (const json_t *reply)
{
  const json_t *list = json_object_get (reply, "devices");
  uint64_t size = 0;

  for (size_t i = 0; i < json_array_size (list); ++i)
    size += json_number (json_array_get (list, i), "size");
  return size;
}

static void
format_number (char text[TEXT_SIZE], uint64_t n)
{
  snprintf (text, TEXT_SIZE, "%" PRIu64, n);
}

static void
format_size (const struct status_row *l, char text[TEXT_SIZE], uint64_t n)
{
  if (l->bytes)
    format_number (text, n);
  else
    text_of_size (text, n);
}

static void
format_ratio (const struct status_row *l, char text[TEXT_SIZE])
{
  uint64_t total = json_number (l->statistics, "mem_used_total");

  snprintf (text, TEXT_SIZE, "%.2f", total == 0 ? 0.0
            : (double) json_number (l->statistics, "orig_data_size")
              / (double) total);
}

/* Several devices of one server share a row: counts are added up, and DEVICE
 * is the first one.
 */
static void
format_attached (const struct status_row *l, unsigned column,
                 char text[TEXT_SIZE])
{
  const json_t *list = json_object_get (l->reply, "attachments");
  uint64_t sum = 0;

  for (size_t i = 0; i < json_array_size (list); ++i) {
    const json_t *a = json_array_get (list, i);

    sum += column == SWAPPED
      ? json_number (json_object_get (a, "swap"), "used")
      : json_number (a, "reconnects");
  }
  if (column == DEVICE)
    snprintf (text, TEXT_SIZE, "%s",
              json_text (json_array_get (list, 0), "device"));
  else if (column == SWAPPED)
    format_size (l, text, sum);
  else
    format_number (text, sum);
}

static void
format_members (const struct status_row *l, char text[TEXT_SIZE])
{
  const json_t *list = json_object_get (l->reply, "attachments");

  text[0] = '\0';
  for (size_t i = 0; i < json_array_size (list); ++i) {
    const json_t *a = json_object_get (json_array_get (list, i), "array");

    if (strcmp (json_text (a, "level"), "raid1") == 0)
      snprintf (text, TEXT_SIZE, "%" PRIu64 "/%" PRIu64,
                json_number (a, "in_sync"), json_number (a, "halves"));
  }
}

static void
format_backing_sync (const struct status_row *l, char text[TEXT_SIZE])
{
  const json_t *list = json_object_get (l->reply, "backing_halves");
  char left[TEXT_SIZE] = "";
  unsigned in_sync = 0;

  text[0] = '\0';
  for (size_t i = 0; i < json_array_size (list); ++i) {
    const json_t *half = json_array_get (list, i);

    if (json_is_true (json_object_get (half, "in_sync")))
      in_sync++;
    else
      format_size (l, left, json_number (half, "left"));
  }
  if (json_array_size (list) > 0)
    snprintf (text, TEXT_SIZE, "%u/%zu%s%.20s", in_sync,
              json_array_size (list), *left ? "," : "", left);
}

/* Columns that are one number of "statistics". */
struct statistic_column {
  const char *key;
  bool size;                    /* in bytes */
};

static const struct statistic_column statistic_columns[] = {
  [DATA] = { "orig_data_size", true },
  [COMPR] = { "compr_data_size", true },
  [TOTAL] = { "mem_used_total", true },
  [SAME] = { "same_pages", false },
  [HUGE_PAGES] = { "huge_pages", false },
  [IDLE] = { "idle_pages", false },
  [DUP] = { "dup_pages", false },
  [BACKED] = { "bd_count", false },
  [MEM_LIMIT] = { "mem_limit", true },
  [MEM_USED] = { "mem_used_max", true },
  [MIGRATED] = { "pages_compacted", false },
  [DAMAGED] = { "checksum_errors", false },
  [BACKING_STALE] = { "bd_stale", false },
  [CONTROL] = { NULL, false },
};

/* Of a server on another machine, only what this machine knows is shown. */
static bool
has_value (const struct status_row *l, unsigned column)
{
  switch (column) {
  case NAME: case DEVICE: case SWAPPED: case RECONNECTS: case HALVES:
    return true;
  default:
    return l->statistics;
  }
}

static const char *
status_cell (void *opaque, unsigned column, char text[TEXT_SIZE])
{
  const struct status_row *l = opaque;
  const struct statistic_column *s = &statistic_columns[column];

  if (!has_value (l, column))
    return "-";
  switch (column) {
  case NAME: return l->name;
  case CONTROL: return json_text (l->reply, "control");
  case ALGORITHM:
    return json_text (l->reply, "algorithm");
  case BACKING:
    return json_string_value (json_object_get (l->reply, "backing"))
      ?: "none";
  case DISKSIZE: format_size (l, text, disk_size (l->reply)); break;
  case RATIO: format_ratio (l, text); break;
  case ERRORS:
    format_number (text, json_number (l->statistics, "failed_reads")
                      + json_number (l->statistics, "failed_writes"));
    break;
  case PAGE_SIZE: format_size (l, text, json_number (l->reply, "page_size"));
    break;
  case CLIENTS: format_number (text, json_number (l->reply, "clients")); break;
  case PID: format_number (text, json_number (l->reply, "pid")); break;
  case UPTIME: format_number (text, json_number (l->reply, "uptime")); break;
  case DEVICE:
  case SWAPPED:
  case RECONNECTS: format_attached (l, column, text); break;
  case HALVES: format_members (l, text); break;
  case BACKING_SYNC: format_backing_sync (l, text); break;
  default:
    if (s->size)
      format_size (l, text, json_number (l->statistics, s->key));
    else
      format_number (text, json_number (l->statistics, s->key));
  }
  return text;
}

/* ---- exports ---- */

/* Has the server other exports than the one without a name? */
static bool
has_exports (const json_t *reply)
{
  const json_t *list = json_object_get (reply, "devices");

  return json_array_size (list) > 1
    || json_text (json_array_get (list, 0), "name")[0] != '\0';
}

/* One table for all servers. */
static int
print_exports (const struct command *command, const json_t *replies,
               bool bytes)
{
  const struct table_options options = {
    .output = "SERVER,EXPORT,ALGORITHM,SIZE,QUOTA,HELD,DATA,CLIENTS,"
              "READ,WRITTEN,ERRORS",
  };
  struct output o;

  putchar ('\n');
  output_begin (&o, command, export_columns, &options);
  for (size_t i = 0; i < json_array_size (replies); ++i)
    if (has_exports (json_array_get (replies, i)))
      export_lines (&o, json_array_get (replies, i), bytes);
  return output_end (&o);
}

/* ---- all of it ---- */

struct status {
  const struct command *command;
  struct table_options table;
  struct output output;
  const char *control;
  bool json;
};

/* The second table is left out for scripts, and if columns were chosen. */
static bool
wants_exports (const struct status *s, const json_t *replies)
{
  const struct table_options *t = &s->table;
  bool wants = false;

  for (size_t i = 0; i < json_array_size (replies); ++i)
    wants |= has_exports (json_array_get (replies, i));
  return wants && !t->output && !t->all && !t->raw && !t->noheadings;
}

static int
print_tables (struct status *s, const json_t *replies)
{
  bool bytes = s->table.bytes;
  int code;

  for (size_t i = 0; i < json_array_size (replies); ++i) {
    const json_t *reply = json_array_get (replies, i);
    struct status_row l = {
      .name = json_text (reply, "name"),
      .reply = reply,
      .statistics = json_object_get (reply, "statistics"),
      .bytes = bytes,
    };

    output_line (&s->output, status_cell, &l);
  }
  code = output_end (&s->output);
  return code == EXIT_OK && wants_exports (s, replies)
    ? print_exports (s->command, replies, bytes) : code;
}

/* Collect the replies of all servers of this machine, and what it knows of
 * servers on other machines.  To find none at all is an error, but not to
 * find only servers on other machines.
 */
static int
collect_replies (json_t *replies, const char *name, const char *control)
{
  size_t here = 0;

  if (!control)
    attach_status_remote (replies, name);
  if (json_array_size (replies) > 0 && name)
    return EXIT_OK;
  if (json_array_size (replies) > 0)
    free (servers_find (&here));
  return json_array_size (replies) > 0 && here == 0 ? EXIT_OK
    : servers_ask (name, control, "status", replies, NULL);
}

static int
ask_and_print (struct status *s, const char *name)
{
  json_t *replies = json_array ();
  int code = collect_replies (replies, name, s->control);
  int printed = EXIT_OK;

  for (size_t i = 0; i < json_array_size (replies); ++i)
    if (!json_object_get (json_array_get (replies, i), "attachments"))
      attach_status (json_array_get (replies, i));
  if (json_array_size (replies) > 0)
    printed = s->json ? print_json (json_pack ("{s:O}", "servers", replies))
                      : print_tables (s, replies);
  json_decref (replies);
  return code != EXIT_OK ? code : printed;
}

int
command_status (const struct command *command, int argc, char *argv[])
{
  struct status s = { .command = command };
  const struct option_entry entries[] = {
    OPTIONS_TABLE (&s.table),
    { .name = "json", .letter = 'J', .flag = &s.json,
      .help = "print the replies of servers as JSON" },
    OPTION_CONTROL (&s.control),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);

  if (s.json && (s.table.output || s.table.all || s.table.raw))
    usage_error (command, "--json prints no table");
  output_begin (&s.output, command, command->columns, &s.table);
  return ask_and_print (&s, name);
}
