/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command/base/cleanup.h"

#include "renew.h"
#include "supervisor.h"

static struct generation *
find_stale_candidate (struct supervisor *s)
{
  for_each (g, s->servers.list)
    if ((g->state == GENERATION_STARTING || g->state == GENERATION_WAITING)
        && generation_is_stale (s, g))
      return g;
  return NULL;
}

/* With a standby: not before a new one waits to take over. */
static void
renew_server (struct supervisor *s)
{
  struct generation *server = generation_find (s, GENERATION_READY);
  const struct generation *next = generation_find_candidate (s);

  if (!server || !generation_is_stale (s, server)
      || (s->setup.standby && (!next || next->state != GENERATION_WAITING)))
    return;
  if (generation_count_connections (s, server) == 0) {
    log_line (
      "the server (%d) is replaced: it lacks the socket that was created "
      "again",
      (int) server->process.pid);
    process_signal (&server->process, SIGKILL);
  }
  else if (!server->kept) {
    log_line ("the server (%d) has clients and stays; new clients wait until "
              "it has none, or until nbdzram upgrade",
              (int) server->process.pid);
    server->kept = true;
  }
}

/* Not before another standby waits. */
static void
kill_stale_candidates (struct supervisor *s)
{
  struct generation *stale, *next = generation_find_candidate (s);

  if (!next || next->state != GENERATION_WAITING)
    return;
  while ((stale = find_stale_candidate (s)) != NULL)
    generation_kill (s, stale);
}

bool
servers_renew (struct supervisor *s)
{
  const struct generation *server = generation_find (s, GENERATION_READY);

  if (s->upgrade.phase == UPGRADE_NONE) {
    kill_stale_candidates (s);
    renew_server (s);
  }
  return find_stale_candidate (s)
    || (server && generation_is_stale (s, server));
}

/* ---- connections ---- */

/* Is FD, a copy of a server's descriptor, a connection to a listener? */
static bool
is_connection (const struct supervisor *s, int fd)
{
  struct sockaddr_storage listening, local, peer;
  socklen_t len = sizeof local, peer_len = sizeof peer;

  if (getpeername (fd, (struct sockaddr *) &peer, &peer_len) == -1
      || getsockname (fd, (struct sockaddr *) &local, &len) == -1)
    return false;
  for (unsigned i = 0; i < s->listeners.count; ++i) {
    socklen_t listening_len = sizeof listening;

    if (getsockname (s->listeners.list[i].fd, (struct sockaddr *) &listening,
                     &listening_len)
          == -1
        || listening.ss_family != local.ss_family)
      continue;
    /* The address of a listener may be "all addresses": only ports count. */
    if (listening.ss_family != AF_UNIX
        ? memcmp (&((struct sockaddr_in *) &listening)->sin_port,
                  &((struct sockaddr_in *) &local)->sin_port, 2) == 0
        : listening_len == len && memcmp (&listening, &local, len) == 0)
      return true;
  }
  return false;
}

static bool
is_socket (const char *directory, const char *entry)
{
  char path[512], target[16];

  snprintf (path, sizeof path, "%s/%s", directory, entry);
  return readlink (path, target, sizeof target) >= 7
    && memcmp (target, "socket:", 7) == 0;
}

int
generation_count_connections (const struct supervisor *s,
                              const struct generation *g)
{
  char path[64];
  struct dirent *entry;
  int count = 0;
  CLEANUP_CLOSEDIR DIR *dir = NULL;

  snprintf (path, sizeof path, "/proc/%d/fd", (int) g->process.pid);
  dir = opendir (path);
  if (!dir)
    return -1;
  while ((entry = readdir (dir)) != NULL) {
    CLEANUP_CLOSE int fd = is_socket (path, entry->d_name)
      ? process_take_fd (&g->process, atoi (entry->d_name)) : -1;

    count += fd != -1 && is_connection (s, fd);
  }
  return count;
}
