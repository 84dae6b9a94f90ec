/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram conf: prints settings for what another program's files ask for. */

#include <config.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "command/base/options.h"
#include "command/conf/conf.h"
#include "command/import/generator.h"
#include "lib/base/util.h"
#include "service/parse-size.h"

static int
report_error (const char *error)
{
  fprintf (stderr, "nbdzram: %s\n", error);
  return EXIT_FAILED;
}

/* Prints the device called SECTION, or all if that is NULL. */
static int
print_devices (const struct generator *g, const char *section)
{
  char error[128];
  size_t printed = 0;

  for (size_t i = 0; i < g->device_count; ++i)
    if (!section || strcmp (g->devices[i].name, section) == 0) {
      if (printed++ > 0)
        putchar ('\n');
      generator_print (g, &g->devices[i], stdout);
    }
  if (printed > 0)
    return EXIT_OK;
  if (!section)
    return report_error ("there is no section like [zram0]");
  snprintf (error, sizeof error, "there is no section [%s]", section);
  return report_error (error);
}

static int
import (const char *section, size_t count, const char *const paths[count])
{
  struct generator g = { .ram = machine_ram () / MIB };
  char error[CONF_ERROR_SIZE + PATH_MAX];
  int result, code;

  if (count == 0)
    result = generator_read_installed (&g, error, sizeof error);
  else {
    result = generator_read_file (&g, paths[0], error, sizeof error);
    if (result == 0)
      result = generator_read_directories (&g, count - 1, paths + 1, error,
                                           sizeof error);
  }
  code = result == 0 ? print_devices (&g, section) : report_error (error);
  generator_free (&g);
  return code;
}

int
command_conf (const struct command *command, int argc, char *argv[])
{
  const char *section = NULL;
  const struct option_entry entries[] = {
    { .name = "section", .letter = 's', .argument = "NAME",
      .string = &section,
      .help = "import only this section, such as zram0" },
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);

  if (index == argc)
    usage_error (command, "the action is missing: import");
  if (strcmp (argv[index], "import") != 0)
    usage_error (command, "%s is not import", argv[index]);
  index++;
  return import (section, (size_t) (argc - index),
                 (const char *const *) argv + index);
}
