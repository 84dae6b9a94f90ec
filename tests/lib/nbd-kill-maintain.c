/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Have the server maintain its pages, by its control socket, and look at what
 * survives.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "nbd-kill.h"

/* Connects to the control socket.  -1: no server accepts. */
static int
connect_control (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd == -1)
    fail ("socket: %m");
  strncpy (address.sun_path, control, sizeof address.sun_path - 1);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  close (fd);
  return -1;
}

/* One request, and its reply, a line.  -1 when the server is gone. */
static int
ask (int fd, const char *request, char *reply, size_t size)
{
  size_t length = strlen (request), done = 0;
  ssize_t r;

  if (send (fd, request, length, MSG_NOSIGNAL) != (ssize_t) length)
    return -1;
  while (done == 0 || reply[done - 1] != '\n') {
    r = recv (fd, reply + done, size - 1 - done, 0);
    if (r <= 0)
      return -1;
    done += (size_t) r;
  }
  reply[done] = '\0';
  return 0;
}

void *
maintain (void *opaque)
{
  static const char *const requests[] = {
    "{\"verb\": \"writeback\", \"type\": \"all\"}\n",
    "{\"verb\": \"writeback\", \"type\": \"huge\"}\n",
    "{\"verb\": \"writeback\", \"end\": 500}\n",
    "{\"verb\": \"recompress\"}\n",
    "{\"verb\": \"recompress\", \"group\": true}\n",
    "{\"verb\": \"recompress\", \"group\": true, \"end\": 500}\n",
    "{\"verb\": \"compact\"}\n",
    "{\"verb\": \"trim-empty\"}\n",
  };
  uint64_t *random = opaque;
  char reply[16384];

  while (!killed) {
    int fd = connect_control ();

    if (fd == -1)
      continue;
    while (ask (fd, requests[below (random, sizeof requests
                                            / sizeof requests[0])],
                reply, sizeof reply) == 0)
      if (strstr (reply, "\"ok\": true") == NULL
          && strstr (reply, "is full") == NULL)
        fail ("maintenance: %s", reply);
    close (fd);
  }
  return NULL;
}

/* What a server found in its pool, of which some must have survived, and
 * what must not be.
 */
static uint64_t survived[3];
static const char *const survivors[3] = {
  "bd_count", "group_pages", "dup_pages",
};

static uint64_t
number_in (const char *reply, const char *key)
{
  char quoted[64];
  const char *found;

  snprintf (quoted, sizeof quoted, "\"%s\": ", key);
  found = strstr (reply, quoted);
  if (!found)
    fail ("no %s in %s", key, reply);
  return strtoull (found + strlen (quoted), NULL, 10);
}

void
look_at_status (void)
{
  static const char *const errors[] = {
    "checksum_errors", "bad_slots", "failed_reads", "bd_read_errors",
    "bd_write_errors",
  };
  char reply[16384];
  int fd = connect_control ();

  if (fd == -1 || ask (fd, "{\"verb\": \"status\"}\n", reply,
                       sizeof reply) == -1)
    fail ("no status from %s", control);
  close (fd);
  for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; ++i)
    if (number_in (reply, errors[i]) != 0)
      fail ("%" PRIu64 " %s", number_in (reply, errors[i]), errors[i]);
  for (unsigned i = 0; i < 3; ++i)
    survived[i] += number_in (reply, survivors[i]);
}

bool
all_survived (void)
{
  return survived[0] > 0 && survived[1] > 0 && survived[2] > 0;
}

void
report_survivors (void)
{
  for (unsigned i = 0; i < 3; ++i) {
    printf ("%s%s %" PRIu64, i ? ", " : "on average: ", survivors[i],
            survived[i] / round_now);
    if (survived[i] == 0)
      fail ("no %s after any kill", survivors[i]);
  }
  printf ("\n");
}
