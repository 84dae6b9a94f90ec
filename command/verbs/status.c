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
#include "command/swap/area-status.h"

#include "export-table.h"

/* ---- cells ---- */

static const char *
disk_size (const struct row *row, char *text)
{
  return row_size (row, text, json_sum (json_object_get (row->reply,
                                                         "devices"),
                                        NULL, "size"));
}

static const char *
compression_ratio (const struct row *row, char *text)
{
  uint64_t total = json_number (row->part, "mem_used_total");

  snprintf (text, TEXT_SIZE, "%.2f", total == 0 ? 0.0
            : (double) json_number (row->part, "orig_data_size")
              / (double) total);
  return text;
}

static const char *
failed_requests (const struct row *row, char *text)
{
  return text_of_number (text, json_number (row->part, "failed_reads")
                               + json_number (row->part, "failed_writes"));
}

static const char *
backing_state (const struct row *row, char *text)
{
  (void) text;
  return json_string_value (json_object_get (row->reply, "backing"))
    ?: "none";
}

/* Several devices of one server share a row: counts are added up, and DEVICE
 * is the first one.
 */
static uint64_t
sum_of_devices (const struct row *row, const char *part, const char *key)
{
  return json_sum (json_object_get (row->reply, "attachments"), part, key);
}

static const char *
first_device (const struct row *row, char *text)
{
  const json_t *list = json_object_get (row->reply, "attachments");

  (void) text;
  return json_text (json_array_get (list, 0), "device");
}

static const char *
swapped_bytes (const struct row *row, char *text)
{
  return row_size (row, text, sum_of_devices (row, "swap", "used"));
}

static const char *
reconnects (const struct row *row, char *text)
{
  return text_of_number (text, sum_of_devices (row, NULL, "reconnects"));
}

static const char *
members_in_sync (const struct row *row, char *text)
{
  json_t *attachment;
  size_t i;

  text[0] = '\0';
  json_array_foreach (json_object_get (row->reply, "attachments"), i,
                      attachment) {
    const json_t *a = json_object_get (attachment, "array");

    if (strcmp (json_text (a, "level"), "raid1") == 0)
      snprintf (text, TEXT_SIZE, "%" PRIu64 "/%" PRIu64,
                json_number (a, "in_sync"), json_number (a, "halves"));
  }
  return text;
}

static const char *
replicas_in_sync (const struct row *row, char *text)
{
  char left[TEXT_SIZE] = "";
  unsigned in_sync = 0;
  json_t *half;
  size_t i;

  text[0] = '\0';
  json_array_foreach (json_object_get (row->reply, "backing_halves"), i,
                      half) {
    if (json_is_true (json_object_get (half, "in_sync")))
      in_sync++;
    else
      row_size (row, left, json_number (half, "left"));
  }
  if (i > 0)
    snprintf (text, TEXT_SIZE, "%u/%zu%s%.20s", in_sync, i,
              *left ? "," : "", left);
  return text;
}

/* Values are of "statistics", or of the reply itself.  Of a server on another
 * machine, only what this machine knows is shown.
 */
const struct column status_columns[] = {
  { "NAME", "name of the server", .key = "name", .of_reply = true,
    .always = true },
  { "ALGORITHM", "how pages are compressed", .key = "algorithm",
    .of_reply = true },
  { "DISKSIZE", "size of the disks", COLUMN_SIZE, .format = disk_size },
  { "DATA", "data stored, before compression", COLUMN_SIZE,
    .key = "orig_data_size" },
  { "COMPR", "the same data after compression", COLUMN_SIZE,
    .key = "compr_data_size" },
  { "TOTAL", "memory held, including bookkeeping", COLUMN_SIZE,
    .key = "mem_used_total" },
  { "RATIO", "DATA divided by TOTAL", COLUMN_NUMBER,
    .format = compression_ratio },
  { "SAME", "pages that repeat one word", COLUMN_NUMBER,
    .key = "same_pages" },
  { "HUGE", "pages stored raw", COLUMN_NUMBER, .key = "huge_pages" },
  { "IDLE", "pages not accessed for a long time", COLUMN_NUMBER,
    .key = "idle_pages" },
  { "DUP", "pages that share the memory of others", COLUMN_NUMBER,
    .key = "dup_pages" },
  { "BACKED", "pages written back", COLUMN_NUMBER, .key = "bd_count" },
  { "ERRORS", "requests that failed", COLUMN_NUMBER,
    .format = failed_requests },
  { "BACKING", "state of the backing file", COLUMN_TEXT, true,
    .format = backing_state },
  { "MEM-LIMIT", "limit of the memory held", COLUMN_SIZE, true,
    .key = "mem_limit" },
  { "MEM-USED", "most memory held so far", COLUMN_SIZE, true,
    .key = "mem_used_max" },
  { "MIGRATED", "OS pages freed by compaction", COLUMN_NUMBER, true,
    .key = "pages_compacted" },
  { "PAGE-SIZE", "unit of compression", COLUMN_SIZE, true,
    .key = "page_size", .of_reply = true },
  { "DAMAGED", "times a page was found damaged", COLUMN_NUMBER, true,
    .key = "checksum_errors" },
  { "CLIENTS", "connections now", COLUMN_NUMBER, true, .key = "clients",
    .of_reply = true },
  { "PID", "process ID", COLUMN_NUMBER, true, .key = "pid",
    .of_reply = true },
  { "UPTIME", "seconds since it started", COLUMN_NUMBER, true,
    .key = "uptime", .of_reply = true },
  { "DEVICE", "block device of the kernel", COLUMN_TEXT, true,
    .format = first_device, .always = true },
  { "SWAPPED", "bytes swapped out to the device", COLUMN_SIZE, true,
    .format = swapped_bytes, .always = true },
  { "RECONNECTS", "times that the device was reconnected", COLUMN_NUMBER,
    true, .format = reconnects, .always = true },
  { "HALVES", "of a mirror: members in sync / all", COLUMN_TEXT, true,
    .format = members_in_sync, .always = true },
  { "BACKING-KEY", "is the backing file encrypted: auto or none", COLUMN_TEXT,
    true, .key = "backing_key", .of_reply = true },
  { "BACKING-SYNC", "of a mirrored backing file: replicas in sync / all",
    COLUMN_TEXT, true, .format = replicas_in_sync },
  { "BACKING-STALE", "times that it had other data", COLUMN_NUMBER, true,
    .key = "bd_stale" },
  { "CONTROL", "path of the control socket", COLUMN_TEXT, true,
    .key = "control", .of_reply = true },
  { 0 },
};

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

/* ---- areas of swap ---- */

static const struct column area_columns[] = {
  { "AREA", "the partition that is an area of swap", .key = "device" },
  { "SIZE", "its size", COLUMN_SIZE, .key = "size" },
  { "USED", "what the kernel uses of it", COLUMN_SIZE, .key = "used" },
  { "STORED", "what the server holds of it", COLUMN_SIZE, .key = "stored" },
  { "DEAD", "what is held and not used any more", COLUMN_SIZE, .key = "dead" },
  { 0 },
};

static bool
any_areas (const json_t *replies)
{
  for (size_t i = 0; i < json_array_size (replies); ++i)
    if (json_object_get (json_array_get (replies, i), "areas"))
      return true;
  return false;
}

static int
print_areas (const struct command *command, const json_t *replies, bool bytes)
{
  const struct table_options options = { .output = NULL };
  struct output o;
  json_t *area;
  size_t k;

  putchar ('\n');
  output_begin (&o, command, area_columns, &options);
  for (size_t i = 0; i < json_array_size (replies); ++i)
    json_array_foreach (json_object_get (json_array_get (replies, i),
                                         "areas"), k, area) {
      struct row row = {
        area_columns, json_array_get (replies, i), area, bytes,
      };

      output_line (&o, row_cell, &row);
    }
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

static bool
any_exports (const json_t *replies)
{
  for (size_t i = 0; i < json_array_size (replies); ++i)
    if (has_exports (json_array_get (replies, i)))
      return true;
  return false;
}

/* Further tables are left out for scripts, and if columns were chosen. */
static bool
wants_more (const struct status *s)
{
  const struct table_options *t = &s->table;

  return !t->output && !t->all && !t->raw && !t->noheadings;
}

static int
print_tables (struct status *s, const json_t *replies)
{
  bool bytes = s->table.bytes;
  int code;

  for (size_t i = 0; i < json_array_size (replies); ++i) {
    const json_t *reply = json_array_get (replies, i);
    struct row row = {
      status_columns, reply, json_object_get (reply, "statistics"), bytes,
    };

    output_line (&s->output, row_cell, &row);
  }
  code = output_end (&s->output);
  if (code == EXIT_OK && wants_more (s) && any_exports (replies))
    code = print_exports (s->command, replies, bytes);
  if (code == EXIT_OK && wants_more (s) && any_areas (replies))
    code = print_areas (s->command, replies, bytes);
  return code;
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
    : servers_ask (name, control, "status", replies);
}

static int
ask_and_print (struct status *s, const char *name)
{
  json_auto_t *replies = json_array ();
  int code = collect_replies (replies, name, s->control);
  int printed = EXIT_OK;

  for (size_t i = 0; i < json_array_size (replies); ++i) {
    if (!json_object_get (json_array_get (replies, i), "attachments"))
      attach_status (json_array_get (replies, i));
    area_status (json_array_get (replies, i));
  }
  if (json_array_size (replies) > 0)
    printed = s->json ? print_json (json_pack ("{s:O}", "servers", replies))
                      : print_tables (s, replies);
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
