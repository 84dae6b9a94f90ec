/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram areas: add areas to a swap and remove them, as its pool has room. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/base/control-client.h"
#include "command/base/options.h"
#include "command/conf/conf.h"
#include "command/swap/area-manager.h"
#include "service/start-barrier.h"

#define PRIORITY_MAX 32767
#define KERNEL_CHOOSES UINT64_MAX

int
command_areas (const struct command *command, int argc, char *argv[])
{
  uint64_t priority = KERNEL_CHOOSES, most = CONF_AREAS_MAX;
  const struct option_entry entries[] = {
    { .name = "priority", .letter = 'p', .argument = "N",
      .number = &priority, .max = PRIORITY_MAX,
      .help = "priority of the first area; others have less" },
    { .name = "most", .argument = "N", .number = &most, .min = 1,
      .max = CONF_AREAS_MAX, .help = "at most so many areas (16)" },
    { 0 },
  };
  int first = options_parse (command, argc, argv, entries);
  const char *name = last_argument (command, first, argc, argv);

  if (!name)
    usage_error (command, "NAME is missing");
  if (!control_name_valid (name))
    usage_error (command, "'%s' can't be a name", name);
  if (geteuid () != 0) {
    fprintf (stderr, "nbdzram areas: %s: this needs root\n", name);
    return EXIT_FAILED;
  }
  if (start_barrier_pass () == -1) {
    fprintf (stderr, "nbdzram areas: %s: its supervisor: %s\n", name,
             strerror (errno));
    return EXIT_FAILED;
  }
  return area_manager_run (name, priority == KERNEL_CHOOSES ? -1
                           : (int) priority, (unsigned) most) == 0
    ? EXIT_OK : EXIT_FAILED;
}
