/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram swapon: the settings.  command/swap/setup.h does the work. */

#include <config.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/base/control-client.h"
#include "command/base/options.h"
#include "command/conf/conf.h"
#include "command/swap/server.h"
#include "command/swap/setup.h"
#include "lib/base/util.h"
#include "service/set-error.h"

/* Options that are settings, in the order of nbdzram.conf(5). */
static const char *const keys[] = {
  "size", "algorithm", "recompress", "mem-limit", "backing", "backing-size",
  "priority", "remote", "connections",
};

#define KEYS ARRAY_SIZE (keys)

/* Likewise, those that are on or off. */
static const char *const flags[] = {
  "mirror", "stripe", "attach-only", "force",
};

#define FLAGS ARRAY_SIZE (flags)

struct settings {
  struct option_list values[KEYS];
  bool on[FLAGS];
  char **words;                 /* KEY=VALUE */
  int word_count;
};

/* Read NAME.conf, and then the command line. */
static int
read_settings (struct conf *c, const char *name, const struct settings *given,
               char *error, size_t size)
{
  if (conf_load_with (c, name, given->words, given->word_count, error, size)
      == -1)
    return -1;
  for (size_t i = 0; i < KEYS; ++i)
    if (conf_set_each (c, keys[i], given->values[i].values,
                       given->values[i].count, error, size) == -1)
      return -1;
  for (size_t i = 0; i < FLAGS; ++i)
    if (given->on[i] && conf_set (c, flags[i], "on", error, size) == -1)
      return -1;
  if (c->mount_point)
    return set_error (error, size, "mount-point: this disk is for nbdzram "
                      "mount");
  if (conf_check (c, true, error, size) == -1)
    return -1;
  if (c->remote_count > 0 || c->size > 0)
    return 0;
  return set_error (error, size, "the size is missing: swap uses the export "
                    "without a name");
}

static int
prepare_setup (struct swap_setup *s, const struct settings *given)
{
  if (geteuid () != 0)
    return set_error (s->error, sizeof s->error, "this needs root");
  swap_setup_forget_earlier (s);
  if (read_settings (&s->conf, s->name, given, s->error, sizeof s->error)
      == -1)
    return -1;
  return swap_setup_read_state (s);
}

static bool
is_setting (const char *argument)
{
  return strchr (argument, '=') != NULL;
}

/* [NAME] [KEY=VALUE...] */
static void
parse_arguments (struct swap_setup *s, struct settings *given,
                 const struct command *command, int argc, char *argv[],
                 int index)
{
  if (index < argc && !is_setting (argv[index]))
    s->name = argv[index++];
  given->words = argv + index;
  given->word_count = argc - index;
  for (; index < argc; ++index)
    if (!is_setting (argv[index]))
      usage_error (command, "%s is one argument too many", argv[index]);
  if (!control_name_valid (s->name))
    usage_error (command, "'%s' can't be a name", s->name);
}

int
command_swapon (const struct command *command, int argc, char *argv[])
{
  static struct swap_setup s = { .verb = "swapon", .name = "swap0" };
  static struct settings given;
  struct option_list *v = given.values;
  bool no_systemd = false, *on = given.on;
  const struct option_entry entries[] = {
    { .name = keys[0], .argument = "SIZE", .list = &v[0],
      .help = "size of the disk: 4G, or ram/2" },
    { .name = keys[1], .argument = "SPEC", .list = &v[1],
      .help = "how pages are compressed" },
    { .name = keys[2], .argument = "SPEC", .list = &v[2],
      .help = "a stronger algorithm for a second pass" },
    { .name = keys[3], .argument = "SIZE", .list = &v[3],
      .help = "limit of the memory held" },
    { .name = keys[4], .argument = "PATH", .list = &v[4],
      .help = "where cold pages go; two URIs: a mirror" },
    { .name = keys[5], .argument = "SIZE", .list = &v[5],
      .help = "how much of the backing file to use" },
    { .name = keys[6], .letter = 'p', .argument = "N", .list = &v[6],
      .help = "priority of the swap, up to 32767 (100)" },
    { .name = keys[7], .argument = "URI", .list = &v[7],
      .help = "a server on another machine; may be repeated" },
    { .name = keys[8], .letter = 'C', .argument = "N", .list = &v[8],
      .help = "connections to the server, from 2 (2)" },
    { .name = flags[0], .flag = &on[0],
      .help = "keep each page on all remote servers" },
    { .name = flags[1], .flag = &on[1],
      .help = "spread pages over all remote servers" },
    { .name = flags[2], .flag = &on[2],
      .help = "attach a disk, but don't swap to it" },
    { .name = flags[3], .flag = &on[3],
      .help = "swap even where the machine may hang" },
    { .name = "no-systemd", .flag = &no_systemd,
      .help = "start the server without systemd" },
    { 0 },
  };

  parse_arguments (&s, &given, command, argc, argv,
                   options_parse (command, argc, argv, entries));
  s.unit = !no_systemd && swap_server_has_systemd ();
  if (prepare_setup (&s, &given) == 0)
    return swap_setup_run (&s) == 0 ? EXIT_OK : EXIT_FAILED;
  fprintf (stderr, "nbdzram swapon: %s: %s\n", s.name, s.error);
  return EXIT_FAILED;
}
