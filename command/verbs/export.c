/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram export: list, add, remove and resize what a server exports. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/base/cleanup.h"
#include "command/base/confirm.h"
#include "command/base/control-request.h"
#include "command/base/utf8.h"
#include "command/conf/conf.h"
#include "lib/base/util.h"
#include "service/parse-size.h"

#include "export-table.h"

/* Options, as bits: each belongs to some actions. */
enum {
  SIZE = 1 << 0, QUOTA = 1 << 1, BANDWIDTH = 1 << 2, ALLOW = 1 << 3,
  FORCE = 1 << 4, TABLE = 1 << 5, ALGORITHM = 1 << 6, YES = 1 << 7,
};

struct export {
  const struct command *command;
  struct control_request control_request;
  struct table_options table;
  const char *name;
  const char *size, *quota, *bandwidth; /* as they were given, or NULL */
  const char *algorithm, *allow;
  bool force, yes;              /* FORCE includes YES */
};

/* ---- options ---- */

/* The size S, the value of OPTION, in bytes; ends the program if it is not
 * valid.
 */
static uint64_t
size_of (const struct export *e, const char *option, const char *s)
{
  char why[PARSE_SIZE_ERROR];
  uint64_t n;

  if (parse_size (s, machine_ram (), &n, why, sizeof why) == -1)
    usage_error (e->command, "--%s=%s: not a size: it %s", option, s, why);
  return n;
}

static uint64_t
disk_size (const struct export *e)
{
  uint64_t n = size_of (e, "size", e->size);

  if (n == 0 || n > DISK_SIZE_MAX)
    usage_error (e->command, "--size=%s: a disk has from 1 byte to 1 PiB",
                 e->size);
  return n;
}

/* Ends the program if S, which goes into JSON, is not UTF-8. */
static void
check_text (const struct export *e, const char *s)
{
  char shown[NAME_SIZE];

  if (s && !is_utf8 (s))
    usage_error (e->command, "%s: this is not UTF-8",
                 text_of_name (shown, s, NAME_SIZE));
}

/* The first option that was given and is not among TAKEN, or NULL. */
static const char *
option_beyond (const struct export *e, unsigned taken)
{
  const struct {
    unsigned bit;
    bool given;
    const char *name;
  } options[] = {
    { SIZE, e->size, "size" },
    { QUOTA, e->quota, "quota" },
    { BANDWIDTH, e->bandwidth, "bandwidth" },
    { ALGORITHM, e->algorithm, "algorithm" },
    { ALLOW, e->allow, "allow" },
    { FORCE, e->force, "force" },
    { YES, e->yes, "yes" },
    { TABLE, e->table.bytes, "bytes" },
    { TABLE, e->table.noheadings, "noheadings" },
    { TABLE, e->table.output, "output" },
    { TABLE, e->table.all, "output-all" },
    { TABLE, e->table.raw, "raw" },
  };

  for (size_t i = 0; i < ARRAY_SIZE (options); ++i)
    if (options[i].given && !(taken & options[i].bit))
      return options[i].name;
  return NULL;
}

/* ---- list ---- */

static int
list_exports (struct export *e)
{
  struct server s;
  struct output o;
  json_auto_t *reply = NULL;
  int code;

  if (e->control_request.json && option_beyond (e, 0))
    usage_error (e->command, "--json prints no table");
  output_begin (&o, e->command, e->command->columns, &e->table);
  code = control_request_status (&e->control_request, &s, &reply);
  if (code != EXIT_OK)
    return code;
  if (e->control_request.json)
    return print_json (json_pack ("{s:O?}", "exports",
                                  json_object_get (reply, "devices")));
  export_lines (&o, reply, e->table.bytes);
  return output_end (&o);
}

/* ---- add ---- */

static void
print_nothing (const json_t *reply)
{
  (void) reply;
}

/* The settings of the new export, as text; allow= is last, since its list may
 * have colons.  NULL: no memory.
 */
static char *
make_settings (const struct export *e)
{
  char *text = NULL;
  size_t size;
  FILE *f = open_memstream (&text, &size);

  if (!f)
    return NULL;
  fprintf (f, "size=%" PRIu64, disk_size (e));
  if (e->quota)
    fprintf (f, ":quota=%" PRIu64, size_of (e, "quota", e->quota));
  if (e->bandwidth)
    fprintf (f, ":bandwidth=%" PRIu64,
             size_of (e, "bandwidth", e->bandwidth));
  if (e->algorithm)
    fprintf (f, ":algorithm=%s", e->algorithm);
  if (e->allow)
    fprintf (f, ":allow=%s", e->allow);
  if (fclose (f) == 0)
    return text;
  free (text);
  return NULL;
}

static int
add_export (struct export *e)
{
  CLEANUP_FREE char *text = NULL;

  if (!e->size)
    usage_error (e->command, "add requires --size=SIZE");
  text = make_settings (e);
  if (!text) {
    fprintf (stderr, "nbdzram: %s\n", strerror (ENOMEM));
    return EXIT_FAILED;
  }
  return control_request_send (&e->control_request, json_pack (
                         "{s:s, s:s, s:s}", "verb", "export-add",
                         "name", e->name, "settings", text), print_nothing);
}

/* ---- what loses data ---- */

/* The export called NAME in a reply to "status", or NULL. */
static const json_t *
find_export (const json_t *reply, const char *name)
{
  const json_t *device;
  size_t i;

  json_array_foreach (json_object_get (reply, "devices"), i, device)
    if (strcmp (json_text (device, "name"), name) == 0)
      return device;
  return NULL;
}

/* Unless the user has agreed by an option, asks whether what the export will
 * lose may be lost: all of it, or what is beyond the new SIZE.  Returns the
 * exit code.
 */
static int
confirm_loss_of_export (const struct export *e, uint64_t size)
{
  char subject[NAME_SIZE + CONTROL_PATH_SIZE], name[NAME_SIZE];
  struct server s;
  json_auto_t *reply = NULL;
  const json_t *device;
  int code;

  if (e->yes || e->force)
    return EXIT_OK;
  code = control_request_status (&e->control_request, &s, &reply);
  if (code != EXIT_OK)
    return code;
  snprintf (subject, sizeof subject, "%s: %s", s.name,
            text_of_name (name, e->name, NAME_SIZE));
  device = find_export (reply, e->name);
  if (!device) {
    fprintf (stderr, "nbdzram: %s: there is no such export\n", subject);
    return EXIT_FAILED;
  }
  if (size >= json_number (device, "size"))
    return EXIT_OK;
  return confirm_loss (subject,
                       size == 0 ? "all of it"
                       : "the data after the new end",
                       json_number (device, "orig_data_size"));
}

/* ---- remove ---- */

static void
print_cut (const json_t *reply)
{
  uint64_t n = json_number (reply, "connections");

  if (n > 0)
    printf ("%" PRIu64 " %s cut\n", n,
            n == 1 ? "connection was" : "connections were");
}

static int
remove_export (struct export *e)
{
  int code = confirm_loss_of_export (e, 0);

  if (code != EXIT_OK)
    return code;
  return control_request_send (&e->control_request, json_pack (
                         "{s:s, s:s, s:b}", "verb", "export-remove",
                         "name", e->name, "force", (int) e->force),
                               print_cut);
}

/* ---- resize ---- */

static int
resize_export (struct export *e)
{
  uint64_t size;
  int code;

  if (!e->size)
    usage_error (e->command, "resize requires --size=SIZE");
  size = disk_size (e);
  code = confirm_loss_of_export (e, size);
  if (code != EXIT_OK)
    return code;
  return control_request_send (&e->control_request, json_pack (
                         "{s:s, s:s, s:I}", "verb", "export-resize",
                         "name", e->name, "size", (json_int_t) size),
                               print_nothing);
}

/* ---- all of it ---- */

static const struct action {
  const char *name;
  bool named;                   /* it is done to one export */
  unsigned options;
  int (*run) (struct export *e);
} actions[] = {
  { "list", false, TABLE, list_exports },
  { "add", true, SIZE | QUOTA | BANDWIDTH | ALGORITHM | ALLOW, add_export },
  { "remove", true, FORCE | YES, remove_export },
  { "resize", true, SIZE | FORCE | YES, resize_export },
};

static const struct action *
find_action (const struct command *command, const char *name)
{
  if (!name)
    usage_error (command, "the action is missing: list, add, remove or "
                 "resize");
  for (size_t i = 0; i < ARRAY_SIZE (actions); ++i)
    if (strcmp (actions[i].name, name) == 0)
      return &actions[i];
  usage_error (command, "%s is none of list, add, remove, resize", name);
}

int
command_export (const struct command *command, int argc, char *argv[])
{
  struct export e = { .command = command };
  const struct option_entry entries[] = {
    { .name = "size", .argument = "SIZE", .string = &e.size,
      .help = "add, resize: of the disk, as 8G" },
    { .name = "quota", .argument = "SIZE", .string = &e.quota,
      .help = "add: the most memory it may hold" },
    { .name = "bandwidth", .argument = "SIZE", .string = &e.bandwidth,
      .help = "add: the most to read and write in a second" },
    { .name = "algorithm", .argument = "NAME[:level=N]",
      .string = &e.algorithm,
      .help = "add: how its pages are compressed" },
    { .name = "allow", .argument = "LIST", .string = &e.allow,
      .help = "add: clients that may connect, ADDRESS[/BITS],..." },
    { .name = "force", .letter = 'f', .flag = &e.force,
      .help = "--yes, and remove: cut connections" },
    OPTION_YES (&e.yes),
    OPTIONS_TABLE (&e.table),
    OPTIONS_REQUEST (&e.control_request),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const struct action *action = find_action (command, index < argc
                                             ? argv[index++] : NULL);
  const char *other = option_beyond (&e, action->options);

  if (other)
    usage_error (command, "%s takes no --%s", action->name, other);
  if (action->named && index == argc)
    usage_error (command, "%s requires the name of an export", action->name);
  if (action->named)
    e.name = argv[index++];
  check_text (&e, e.name);
  check_text (&e, e.algorithm);
  check_text (&e, e.allow);
  e.control_request.name = last_argument (command, index, argc, argv);
  return action->run (&e);
}
