/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <stdio.h>

#include "command/base/cleanup.h"
#include "command/base/run-file.h"
#include "service/control-socket.h"

#include "request.h"

/* Seconds; before that the supervisor gives up an upgrade, and kills a
 * process that does not end.
 */
#define REPLY_S 300

/* Set *S to the supervisor of NAME.  Returns whether it is alive. */
static bool
probe_supervisor (struct server *s, const char *name)
{
  return server_at (s, name, SUPERVISOR_SUFFIX) == 0
    && control_socket_is_alive (s->path) == 1;
}

static int
find_only_supervisor (struct server *s)
{
  char directory[4096];
  CLEANUP_CLOSEDIR DIR *dir
    = opendir (control_directory (directory, sizeof directory));
  char name[CONTROL_NAME_MAX + 1];
  struct dirent *entry;
  struct server found;
  unsigned count = 0;

  while (dir && (entry = readdir (dir)) != NULL)
    if (name_of_file (name, sizeof name, entry->d_name, SUPERVISOR_SUFFIX)
        && probe_supervisor (&found, name)) {
      *s = found;
      ++count;
    }
  if (count == 1)
    return EXIT_OK;
  fprintf (stderr,
           count ? "nbdzram: several supervisors are running: give a name\n"
                 : "nbdzram: no supervisor is running\n");
  return count ? EXIT_USAGE : EXIT_NO_SERVER;
}

static int
find_supervisor (struct server *s, const char *name)
{
  if (!name)
    return find_only_supervisor (s);
  if (!control_name_valid (name)) {
    fprintf (stderr, "nbdzram: '%s' can't be the name of a server\n", name);
    return EXIT_USAGE;
  }
  if (probe_supervisor (s, name))
    return EXIT_OK;
  fprintf (stderr, "nbdzram: %s: no supervisor of this name is running\n",
           name);
  return EXIT_NO_SERVER;
}

int
supervisor_ask (const char *name, json_t *request, json_t **reply)
{
  struct server s;
  int code = find_supervisor (&s, name);

  if (code == EXIT_OK)
    return server_ask (&s, request, REPLY_S, reply);
  json_decref (request);
  return code;
}
