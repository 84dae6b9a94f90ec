/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram mount and umount: the settings and options.  command/swap/setup.h
 * and teardown.h do the work.
 */

#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "command/conf/conf.h"
#include "command/swap/server.h"
#include "command/swap/teardown.h"
#include "service/control-path.h"
#include "service/set-error.h"

#include "setup-command.h"

#define NAME_MAX_SIZE 72

/* What was given instead of the name; NULL: mount-point= of NAME.conf. */
static const char *directory;

/* The name for the directory PATH: "var-tmp" for "/var/tmp/". */
static const char *
name_of_directory (const struct command *command, const char *path,
                   char name[NAME_MAX_SIZE])
{
  size_t length = 0;

  for (const char *s = path; *s && length < NAME_MAX_SIZE - 1; ++s)
    if (*s != '/')
      name[length++] = *s;
    else if (length > 0 && name[length - 1] != '-')
      name[length++] = '-';
  if (length > 0 && name[length - 1] == '-')
    length--;
  name[length] = '\0';
  if (!control_name_valid (name))
    usage_error (command, "%s gives no name: use NAME mount-point=%s",
                 path, path);
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
finish_settings (struct swap_setup *s)
{
  struct conf *c = &s->conf;
  char *error = s->error;
  const size_t size = sizeof s->error;
  struct stat st;

  if (directory && conf_set (c, "mount-point", directory, error, size) == -1)
    return -1;
  c->attach_only = true;
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

int
command_mount (const struct command *command, int argc, char *argv[])
{
  static struct swap_setup s = { .verb = "mount", .mount = true };
  static struct option_list v[9]; /* values of options */
  struct setup_command given = { .finish = finish_settings };
  char name[NAME_MAX_SIZE];
  const struct option_entry entries[] = {
    { .name = "size", .key = "size", .argument = "SIZE", .list = &v[0],
      .help = "size of the disk: 4G, or ram/2" },
    { .name = "type", .key = "fs-type", .letter = 't', .argument = "TYPE",
      .words = "ext4 xfs btrfs", .list = &v[1],
      .help = "ext4 (default), xfs or btrfs" },
    { .name = "mode", .key = "mode", .letter = 'm', .argument = "MODE",
      .list = &v[2], .help = "permissions of its root, such as 1777" },
    { .name = "options", .key = "mount-options", .letter = 'o',
      .argument = "LIST", .list = &v[3],
      .help = "options of mount, besides discard" },
    OPTIONS_POOL (&v[4]),
    OPTION_NO_SYSTEMD (&given),
    { 0 },
  };
  int index = options_parse (command, argc, argv, entries);

  directory = parse_name (command, index < argc ? argv[index] : NULL,
                          &s.name, name);
  given.options = entries;
  given.words = setting_arguments (command, ++index, argc, argv);
  given.word_count = argc - index;
  swap_server_use_mount_unit ();
  return setup_command_run (&s, &given);
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
