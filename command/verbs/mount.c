/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram mount and umount: the settings and options.  command/swap/setup.h
 * and teardown.h do the work.
 */

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/base/control-client.h"
#include "command/base/options.h"
#include "command/conf/conf.h"
#include "command/swap/server.h"
#include "command/swap/setup.h"
#include "command/swap/teardown.h"
#include "lib/base/util.h"
#include "service/set-error.h"

#define NAME_MAX_SIZE 72

/* Options that are settings: as they are called here, and their keys. */
static const struct {
  const char *option, *key;
} keys[] = {
  { "size", "size" }, { "type", "fs-type" }, { "mode", "mode" },
  { "options", "mount-options" }, { "algorithm", "algorithm" },
  { "recompress", "recompress" }, { "mem-limit", "mem-limit" },
  { "backing", "backing" }, { "backing-size", "backing-size" },
};

#define KEYS ARRAY_SIZE (keys)

struct settings {
  const char *directory;        /* NULL: from NAME.conf */
  struct option_list values[KEYS];
  char **words;                 /* KEY=VALUE */
  int word_count;
};

/* The name for DIRECTORY: "var-tmp" for "/var/tmp/". */
static const char *
name_of_directory (const struct command *command, const char *directory,
                   char name[NAME_MAX_SIZE])
{
  size_t length = 0;

  for (const char *s = directory; *s && length < NAME_MAX_SIZE - 1; ++s)
    if (*s != '/')
      name[length++] = *s;
    else if (length > 0 && name[length - 1] != '-')
      name[length++] = '-';
  if (length > 0 && name[length - 1] == '-')
    length--;
  name[length] = '\0';
  if (!control_name_valid (name))
    usage_error (command, "%s gives no name: use NAME mount-point=%s",
                 directory, directory);
  return name;
}

/* NAME, or a directory, which is returned, and of which NAME is made. */
static const char *
parse_name (const struct command *command, const char *argument,
            const char **name, char buffer[NAME_MAX_SIZE])
{
  if (!argument)
    usage_error (command, "the directory, or the name, is missing");
  if (argument[0] == '/') {
    *name = name_of_directory (command, argument, buffer);
    return argument;
  }
  if (!control_name_valid (argument))
    usage_error (command, "'%s' is no name, nor a directory that begins with "
                 "a slash", argument);
  *name = argument;
  return NULL;
}

/* ---- mount ---- */

static int
check_settings (const struct conf *c, char *error, size_t size)
{
  struct stat st;

  if (c->remote_count > 0)
    return set_error (error, size, "remote: a disk that is mounted is of a "
                      "server here");
  if (conf_check (c, true, error, size) == -1)
    return -1;
  if (c->size == 0)
    return set_error (error, size, "the size is missing");
  if (!c->mount_point)
    return set_error (error, size, "mount-point is missing");
  if (stat (c->mount_point, &st) == -1)
    return set_error (error, size, "%s: %s", c->mount_point,
                      strerror (errno));
  return S_ISDIR (st.st_mode) ? 0
    : set_error (error, size, "%s is no directory", c->mount_point);
}

static int
read_settings (struct conf *c, const char *name, const struct settings *given,
               char *error, size_t size)
{
  if (conf_load_with (c, name, given->words, given->word_count, error, size)
      == -1)
    return -1;
  for (size_t i = 0; i < KEYS; ++i)
    if (conf_set_each (c, keys[i].key, given->values[i].values,
                       given->values[i].count, error, size) == -1)
      return -1;
  if (given->directory
      && conf_set (c, "mount-point", given->directory, error, size) == -1)
    return -1;
  c->attach_only = true;
  return check_settings (c, error, size);
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

int
command_mount (const struct command *command, int argc, char *argv[])
{
  static struct swap_setup s = { .verb = "mount", .mount = true };
  static struct settings given;
  char name[NAME_MAX_SIZE];
  struct option_list *v = given.values;
  bool no_systemd = false;
  const struct option_entry entries[] = {
    { .name = keys[0].option, .argument = "SIZE", .list = &v[0],
      .help = "size of the disk: 4G, or ram/2" },
    { .name = keys[1].option, .letter = 't', .argument = "TYPE",
      .list = &v[1], .help = "ext4 (default), xfs or btrfs" },
    { .name = keys[2].option, .letter = 'm', .argument = "MODE",
      .list = &v[2], .help = "permissions of its root, such as 1777" },
    { .name = keys[3].option, .letter = 'o', .argument = "LIST",
      .list = &v[3], .help = "options of mount, besides discard" },
    { .name = keys[4].option, .argument = "SPEC", .list = &v[4],
      .help = "how pages are compressed" },
    { .name = keys[5].option, .argument = "SPEC", .list = &v[5],
      .help = "a stronger algorithm for a second pass" },
    { .name = keys[6].option, .argument = "SIZE", .list = &v[6],
      .help = "limit of the memory held" },
    { .name = keys[7].option, .argument = "PATH", .list = &v[7],
      .help = "where cold pages go; two URIs: a mirror" },
    { .name = keys[8].option, .argument = "SIZE", .list = &v[8],
      .help = "how much of the backing file to use" },
    { .name = "no-systemd", .flag = &no_systemd,
      .help = "start the server without systemd" },
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);

  given.directory = parse_name (command, index < argc ? argv[index] : NULL,
                                &s.name, name);
  given.words = argv + ++index;
  given.word_count = argc - index;
  for (; index < argc; ++index)
    if (!strchr (argv[index], '='))
      usage_error (command, "%s is one argument too many", argv[index]);
  swap_server_use_mount_unit ();
  s.unit = !no_systemd && swap_server_has_systemd ();
  if (prepare_setup (&s, &given) == 0)
    return swap_setup_run (&s) == 0 ? EXIT_OK : EXIT_FAILED;
  fprintf (stderr, "nbdzram mount: %s: %s\n", s.name, s.error);
  return EXIT_FAILED;
}

/* ---- umount ---- */

int
command_umount (const struct command *command, int argc, char *argv[])
{
  static struct swap_teardown t = { .verb = "umount", .mount = true };
  char name[NAME_MAX_SIZE];
  bool after_unit = false;
  const struct option_entry entries[] = {
    { .name = "no-systemd", .flag = &t.no_systemd,
      .help = "stop the server without systemd" },
    { .name = "after-unit", .flag = &after_unit,
      .help = "for ExecStopPost= of the unit" },
    { 0 },
  };
  int first = options_parse (command, argc, argv, entries);

  t.directory = parse_name (
    command, last_argument (command, first, argc, argv), &t.name, name);
  swap_server_use_mount_unit ();
  return swap_teardown_command (&t, after_unit);
}
