/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram metrics: the numbers of all that runs, for Prometheus. */

#include <config.h>

#include <stdlib.h>
#include <unistd.h>

#include "command/base/control-client.h"
#include "command/base/output.h"
#include "command/metrics/collect.h"
#include "command/metrics/http.h"
#include "command/metrics/page.h"

struct metrics {
  const char *name, *control;
};

static void
free_collected (struct collected *c)
{
  json_decref (c->servers);
  json_decref (c->supervisors);
}

/* For http_serve.  What does not answer is in the page, so there is nothing
 * to say to the log at each request.
 */
static char *
make_page (void *opaque, size_t *length)
{
  const struct metrics *m = opaque;
  struct collected c;
  int code = collect_all (&c, m->name, m->control, true);
  char *text = code == EXIT_OK || code == EXIT_NO_SERVER
    ? page_text (&c, length) : NULL;

  free_collected (&c);
  return text;
}

static int
print_page (const struct metrics *m)
{
  struct collected c;
  int code = collect_all (&c, m->name, m->control, false);

  if (code == EXIT_OK || code == EXIT_NO_SERVER)
    page_print (stdout, &c, isatty (STDOUT_FILENO) == 1);
  free_collected (&c);
  return code;
}

int
command_metrics (const struct command *command, int argc, char *argv[])
{
  struct metrics m = { .name = NULL };
  bool http = false;
  const struct option_entry entries[] = {
    { .name = "http", .flag = &http,
      .help = "answer a request of HTTP, for a socket unit" },
    OPTION_CONTROL (&m.control),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);

  m.name = last_argument (command, index, argc, argv);
  if (!http)
    return print_page (&m);
  http_serve (STDIN_FILENO, STDOUT_FILENO, make_page, &m);
  return EXIT_OK;
}
