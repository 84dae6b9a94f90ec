/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram pages: the state of each page, in the letters of zram's block_state.
 * A device has many pages, so each reply is printed as it arrives.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command/base/control-client.h"
#include "command/base/output.h"
#include "lib/base/util.h"

#include "range.h"

static const struct {
  const char *name;
  char letter;
} page_states[] = {
  { "same", 's' },
  { "written_back", 'w' },
  { "huge", 'h' },
  { "idle", 'i' },
  { "recompressed", 'r' },
  { "incompressible", 'n' },
  { "grouped", 'g' },
  { "damaged", 'd' },
};

struct page_printer {
  bool json, noheadings;
  bool any;                     /* a page has been printed */
};

static void
format_state (const json_t *list, char text[ARRAY_SIZE (page_states) + 1])
{
  memset (text, '.', ARRAY_SIZE (page_states));
  text[ARRAY_SIZE (page_states)] = '\0';
  for (size_t i = 0; i < json_array_size (list); ++i) {
    const char *name = json_string_value (json_array_get (list, i));

    for (size_t s = 0; name && s < ARRAY_SIZE (page_states); ++s)
      if (strcmp (page_states[s].name, name) == 0)
        text[s] = page_states[s].letter;
  }
}

static void
print_page (const struct page_printer *p, const json_t *page)
{
  char state[ARRAY_SIZE (page_states) + 1];
  const char *codec = json_string_value (json_object_get (page, "codec"));

  if (p->json) {
    printf (p->any ? ",\n  " : "{\"pages\": [\n  ");
    json_dumpf (page, stdout, 0);
    return;
  }
  if (!p->any && !p->noheadings)
    printf ("%12s %10s %-8s %6s %s\n", "PAGE", "AGE", "STATE", "BYTES",
            "CODEC");
  format_state (json_object_get (page, "state"), state);
  printf ("%12" PRIu64 " %10" PRIu64 " %s %6" PRIu64 " %s\n",
          json_number (page, "index"), json_number (page, "age"), state,
          json_number (page, "bytes"), codec ? codec : "-");
}

static void
print_pages (struct page_printer *p, const json_t *reply)
{
  const json_t *list = json_object_get (reply, "pages");

  for (size_t i = 0; i < json_array_size (list); ++i) {
    print_page (p, json_array_get (list, i));
    p->any = true;
  }
}

/* Ask until the last page has come, each time from the end of the last reply.
 */
static int
ask_and_print (const struct server *s, struct page_printer *p, json_t *request)
{
  json_int_t next = -1, end = 0;

  while (next < end && !ferror (stdout)) {
    json_auto_t *reply = NULL;
    int code;

    if (next != -1)
      json_object_set_new (request, "first", json_integer (next));
    code = server_ask (s, json_incref (request), TIMEOUT, &reply);
    if (code != EXIT_OK)
      return code;
    print_pages (p, reply);
    /* Make progress even if the server does not, or this would never end. */
    next = MAX (next + 1, (json_int_t) json_number (reply, "next"));
    end = (json_int_t) json_number (reply, "end");
  }
  return EXIT_OK;
}

int
command_pages (const struct command *command, int argc, char *argv[])
{
  struct page_printer p = { false, false, false };
  struct range range = { NULL, NULL };
  const char *control = NULL;
  const struct option_entry entries[] = {
    OPTIONS_RANGE (&range),
    { .name = "noheadings", .letter = 'n', .flag = &p.noheadings,
      .help = "leave the line of headings out" },
    { .name = "json", .letter = 'J', .flag = &p.json,
      .help = "print pages as JSON" },
    OPTION_CONTROL (&control),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, index, argc, argv);
  json_auto_t *request = json_pack ("{s:s, s:i}", "verb", "pages",
                                    "count", 4096);
  struct server s;
  int code;

  range_put (command, &range, request);
  code = server_find (&s, name, control);
  if (code != EXIT_OK)
    return code;
  code = ask_and_print (&s, &p, request);
  if (p.json && code == EXIT_OK)
    printf (p.any ? "\n]}\n" : "{\"pages\": []}\n");
  return code;
}
