/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs that ask a server to work on its pages: idle, recompress,
 * writeback, compact, trim-empty and reset.
 *
 * They differ in their options and in the text that is printed of the reply,
 * so each of them is an entry in a table.  What is given on the command line
 * is sent to the server, in a request of the verb's name.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/base/confirm.h"
#include "command/base/control-request.h"
#include "command/base/output.h"
#include "service/parse-number.h"

#include "range.h"

/* The command line.  Zero and NULL stand for what was not given. */
static struct {
  struct control_request to;
  struct range range;
  const char *type;
  uint64_t threshold, max_pages, priority;
  bool group, yes;
} given;

static const struct option_entry common_options[] = {
  OPTIONS_REQUEST (&given.to),
  { 0 },
};

static const struct option_entry recompress_options[] = {
  { .name = "type", .letter = 't', .argument = "TYPE", .string = &given.type,
    .words = "all idle huge huge_idle stale",
    .help = "idle, huge, huge_idle, stale, or all (the default)" },
  { .name = "threshold", .argument = "BYTES", .size = &given.threshold,
    .min = 1, .help = "only pages that take at least this much" },
  { .name = "max-pages", .argument = "N", .number = &given.max_pages,
    .min = 1, .help = "try at most N pages, the largest first" },
  { .name = "priority", .argument = "N", .number = &given.priority,
    .min = 1, .help = "only this algorithm of recompress=, from 1" },
  { .name = "group", .flag = &given.group,
    .help = "compress neighbours as a group" },
  OPTIONS_RANGE (&given.range),
  OPTIONS_REQUEST (&given.to),
  { 0 },
};

static const struct option_entry writeback_options[] = {
  { .name = "type", .letter = 't', .argument = "TYPE", .string = &given.type,
    .words = "all idle huge huge_idle incompressible",
    .help = "idle, huge, huge_idle, incompressible, or all" },
  OPTIONS_RANGE (&given.range),
  OPTIONS_REQUEST (&given.to),
  { 0 },
};

static const struct option_entry reset_options[] = {
  OPTION_YES (&given.yes),
  OPTIONS_REQUEST (&given.to),
  { 0 },
};

/* In the text of a reply, {KEY} stands for the number at KEY of the reply:
 * a size if the key ends in "_bytes", or else a count.
 */
struct maintenance {
  const char *verb;
  const char *reply;
  const struct option_entry *options;
  bool takes_age;               /* the first argument is "all" or an age */
  bool needs_pages;             /* an option must say which */
  bool needs_server;            /* the only one that runs is not enough */
  bool loses_data;              /* it asks before, without --yes */
};

static const struct maintenance verbs[] = {
  { .verb = "idle", .options = common_options, .takes_age = true,
    .reply = "{idle_pages} pages are idle" },
  { .verb = "recompress", .options = recompress_options,
    .reply = "{recompressed_pages} of {tried_pages} pages recompressed, "
             "{saved_bytes} saved; {incompressible_pages} found "
             "incompressible" },
  { .verb = "writeback", .options = writeback_options, .needs_pages = true,
    .reply = "{written_pages} of {tried_pages} pages written back, "
             "{written_bytes}" },
  { .verb = "compact", .options = common_options,
    .reply = "{freed_bytes} freed" },
  { .verb = "trim-empty", .options = common_options,
    .reply = "{trimmed_pages} pages trimmed" },
  /* The user must not lose the content of the wrong disk. */
  { .verb = "reset", .options = reset_options, .needs_server = true,
    .loses_data = true, .reply = "all pages are discarded" },
};

static const struct maintenance *asked; /* the verb of this process */

static void
print_number (const json_t *reply, const char *key)
{
  const char *end = strrchr (key, '_');
  uint64_t n = json_number (reply, key);
  char text[TEXT_SIZE];

  if (end && strcmp (end, "_bytes") == 0)
    fputs (text_of_size (text, n), stdout);
  else
    printf ("%" PRIu64, n);
}

static void
print_reply (const json_t *reply)
{
  const char *s = asked->reply;
  char key[32];
  int length;

  while (*s)
    if (sscanf (s, "{%31[a-z_]}%n", key, &length) == 1) {
      print_number (reply, key);
      s += length;
    }
    else
      putchar (*s++);
  putchar ('\n');
}

/* Zero stands for all pages. */
static uint64_t
parse_age (const struct command *command, const char *s)
{
  uint64_t age;

  if (!s)
    usage_error (command, "which pages? give all, or an AGE in seconds");
  if (strcmp (s, "all") == 0)
    return 0;
  if (!parse_number (s, &age) || age == 0 || age > INT64_MAX)
    usage_error (command, "%s: neither 'all' nor a number of seconds", s);
  return age;
}

static void
put_if_given (json_t *request, const char *key, uint64_t n)
{
  if (n != 0)
    json_object_set_new (request, key, json_integer ((json_int_t) n));
}

static json_t *
make_request (const struct command *command)
{
  json_t *request = json_pack ("{s:s, s:s*}", "verb", command->name,
                               "type", given.type);

  put_if_given (request, "threshold", given.threshold);
  put_if_given (request, "max_pages", given.max_pages);
  put_if_given (request, "priority", given.priority);
  if (given.group)
    json_object_set_new (request, "group", json_true ());
  range_put (command, &given.range, request);
  return request;
}

/* Asks whether all data of the server that was given may be lost.  Returns
 * the exit code.
 */
static int
confirm_loss_of_server (void)
{
  struct server s;
  json_auto_t *reply = NULL;
  int code = control_request_status (&given.to, &s, &reply);

  if (code != EXIT_OK)
    return code;
  return confirm_loss (s.name, "all of it",
                       json_number (json_object_get (reply, "statistics"),
                                    "orig_data_size"));
}

int
command_maintain (const struct command *command, int argc, char *argv[])
{
  uint64_t age = 0;
  json_t *request;
  int index, code;

  asked = verbs;
  while (strcmp (asked->verb, command->name) != 0)
    ++asked;
  index = options_parse (command, argc, argv, asked->options);
  if (asked->takes_age) {
    age = parse_age (command, index < argc ? argv[index] : NULL);
    ++index;
  }
  given.to.name = last_argument (command, index, argc, argv);
  if (asked->needs_server && !given.to.name && !given.to.control)
    usage_error (command, "say which server, by NAME or --control");
  if (asked->needs_pages && !given.type && !given.range.pages
      && !given.range.export)
    usage_error (command, "which pages? --type, --range or --export says");
  if (asked->loses_data && !given.yes) {
    code = confirm_loss_of_server ();
    if (code != EXIT_OK)
      return code;
  }
  request = make_request (command);
  if (asked->takes_age)
    json_object_set_new (request, "age", json_integer ((json_int_t) age));
  return control_request_send (&given.to, request, print_reply);
}
