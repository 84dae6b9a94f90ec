/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram swapon: the settings.  command/swap/setup.h does the work. */

#include <config.h>

#include <string.h>

#include "command/conf/conf.h"
#include "service/control-path.h"
#include "service/set-error.h"

#include "setup-command.h"

static int
finish_settings (struct swap_setup *s)
{
  struct conf *c = &s->conf;
  char *error = s->error;
  const size_t size = sizeof s->error;

  if (c->mount_point)
    return set_error (error, size, "mount-point: this disk is for nbdzram "
                      "mount");
  if (conf_choose_size (c, s->name, error, size) == -1
      || conf_check (c, true, error, size) == -1)
    return -1;
  if (c->remote_count > 0 || c->size > 0)
    return 0;
  return set_error (error, size, "the size is missing: swap uses the export "
                    "without a name");
}

int
command_swapon (const struct command *command, int argc, char *argv[])
{
  static struct swap_setup s = { .verb = "swapon", .name = CONF_SWAP_NAME };
  static struct option_list v[9]; /* values of options */
  bool mirror = false, stripe = false, attach_only = false, force = false;
  struct setup_command given = { .finish = finish_settings };
  /* In the order of nbdzram.conf(5). */
  const struct option_entry entries[] = {
    { .name = "size", .key = "size", .argument = "SIZE", .list = &v[0],
      .help = "size of the disk: 4G, or ram/2 (6 * mem-limit)" },
    OPTIONS_POOL (&v[1]),
    { .name = "priority", .key = "priority", .letter = 'p', .argument = "N",
      .list = &v[6], .help = "priority of the swap, up to 32767 (100)" },
    { .name = "remote", .key = "remote", .argument = "URI", .list = &v[7],
      .help = "a server on another machine; may be repeated" },
    { .name = "connections", .key = "connections", .letter = 'C',
      .argument = "N", .list = &v[8],
      .help = "connections to the server, from 2 (2)" },
    { .name = "mirror", .key = "mirror", .flag = &mirror,
      .help = "keep each page on all remote servers" },
    { .name = "stripe", .key = "stripe", .flag = &stripe,
      .help = "spread pages over all remote servers" },
    { .name = "attach-only", .key = "attach-only", .flag = &attach_only,
      .help = "attach a disk, but don't swap to it" },
    { .name = "force", .key = "force", .flag = &force,
      .help = "swap even where the machine may hang" },
    OPTION_NO_SYSTEMD (&given),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);

  if (index < argc && !strchr (argv[index], '='))
    s.name = argv[index++];
  given.options = entries;
  given.words = setting_arguments (command, index, argc, argv);
  given.word_count = argc - index;
  if (!control_name_valid (s.name))
    usage_error (command, "'%s' can't be a name", s.name);
  return setup_command_run (&s, &given);
}
