/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram metrics: the numbers of all that runs, for Prometheus. */

#include <config.h>

#include <stdlib.h>
#include <unistd.h>

#include "command/base/control-client.h"
#include "command/base/output.h"
#include "command/metrics/collect.h"
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
  const struct option_entry entries[] = {
    OPTION_CONTROL (&m.control),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);

  m.name = last_argument (command, index, argc, argv);
  return print_page (&m);
}
