/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "command/attach/nbd-device.h"
#include "command/attach/nbd-netlink.h"
#include "command/base/control-client.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/process.h"
#include "command/base/run-file.h"
#include "command/base/run-program.h"
#include "lib/base/util.h"

#include "server.h"

#define START_S 30              /* for what takes a second */
#define STOP_S 120              /* a server may have to drain */
#define TICK_MS 20

#define UNIT "nbdzram-swap@"

static void
pause_ms (int ms)
{
  const struct timespec t = { .tv_sec = ms / 1000,
                              .tv_nsec = ms % 1000 * 1000000 };

  nanosleep (&t, NULL);
}

/* ---- the supervisor ---- */

bool
swap_server_has_systemd (void)
{
  char path[512];

  return kernel_file_path (path, sizeof path, "/run/systemd/system") == 0
    && access (path, F_OK) == 0;
}

/* The supervisor's control socket.  -1: the name is too long. */
static int
supervisor_of (struct server *s, const char *name)
{
  char path[RUN_PATH_SIZE];

  run_path (path, name, "sup");
  if (strlen (path) >= sizeof s->path || strlen (name) >= sizeof s->name)
    return -1;
  strcpy (s->path, path);
  strcpy (s->name, name);
  return 0;
}

/* REQUEST is taken over.  The reply, or NULL with a line in ERROR. */
static json_t *
ask (const char *name, json_t *request, int timeout, char *error,
     size_t size)
{
  struct server s;
  json_t *reply = NULL;

  if (supervisor_of (&s, name) == 0)
    server_try (&s, request, timeout, &reply, error, size);
  else {
    json_decref (request);
    snprintf (error, size, "%s: the name is too long", name);
  }
  return reply;
}

/* Likewise, where the reply says no more than that it is done. */
static int
tell (const char *name, json_t *request, int timeout, char *error,
      size_t size)
{
  json_t *reply = ask (name, request, timeout, error, size);

  json_decref (reply);
  return reply ? 0 : -1;
}

static json_t *
status (const char *name)
{
  char error[256];

  return ask (name, json_pack ("{s:s}", "verb", "status"), TIMEOUT, error,
              sizeof error);
}

bool
swap_server_runs (const char *name)
{
  json_t *reply = status (name);

  json_decref (reply);
  return reply != NULL;
}

/* OPTION may be NULL. */
static int
systemctl (const char *verb, const char *name, const char *option,
           char *error, size_t size)
{
  char unit[128];
  char *const argv[] = {
    (char *) "systemctl", (char *) verb, unit, (char *) option, NULL,
  };

  snprintf (unit, sizeof unit, UNIT "%s.service", name);
  return run_program (argv, error, size);
}

bool
swap_server_is_unit (const char *name)
{
  char error[256];

  return swap_server_has_systemd ()
    && systemctl ("is-active", name, NULL, error, sizeof error) == 0;
}

int
swap_server_unit_start (const char *name, char *error, size_t size)
{
  return systemctl ("start", name, "--no-block", error, size);
}

int
swap_server_start (const char *name, bool unit, char *error, size_t size)
{
  char self[4096] = "";
  char *const argv[] = {
    self, (char *) "serve", (char *) "--swap", (char *) "--daemon",
    (char *) name, NULL,
  };

  /* By its name, for those who look at processes; the file may have been
   * replaced since we were started.
   */
  if (readlink ("/proc/self/exe", self, sizeof self - 1) == -1
      || access (self, X_OK) == -1)
    strcpy (self, "/proc/self/exe");

  return unit ? systemctl ("start", name, NULL, error, size)
              : run_program (argv, error, size);
}

void
swap_server_wait_standby (const char *name)
{
  for (int ms = 0; ms < START_S * 1000; ms += TICK_MS) {
    json_t *reply = status (name);
    bool waits = json_is_true (json_object_get (
      json_object_get (reply, "standby"), "waiting"));
    bool serves = !json_is_null (json_object_get (reply, "server"));

    json_decref (reply);
    if (!reply || !serves || waits)
      return;
    pause_ms (TICK_MS);
  }
}

void
swap_server_fail (const char *name)
{
  char error[256];

  tell (name, json_pack ("{s:s, s:b, s:b}", "verb", "stop", "force", 0,
                         "failed", 1), STOP_S, error, sizeof error);
}

/* A supervisor that has agreed to end does so when its server has. */
static int
wait_for_end (const char *name, char *error, size_t size)
{
  for (int ms = 0; ms < STOP_S * 1000; ms += TICK_MS) {
    if (!swap_server_runs (name))
      return 0;
    pause_ms (TICK_MS);
  }
  snprintf (error, size, "%s: the server does not end", name);
  return -1;
}

int
swap_server_stop (const char *name, bool unit, char *error, size_t size)
{
  char path[RUN_PATH_SIZE];

  if (unit)
    return systemctl ("stop", name, NULL, error, size);
  if (!swap_server_runs (name)) {
    if (access (run_path (path, name, "run"), F_OK) == -1)
      return 0;
    /* A supervisor was killed.  Another one finds all that it had. */
    if (swap_server_start (name, false, error, size) == -1)
      return -1;
  }
  if (tell (name, json_pack ("{s:s, s:b}", "verb", "stop", "force", 0),
            STOP_S, error, size) == -1 && swap_server_runs (name))
    return -1;
  return wait_for_end (name, error, size);
}

/* ---- watchers ---- */

/* Who listens at any address is reached at the machine's own. */
static void
own_address (char *uri, size_t size, const char *listens)
{
  static const char *const hosts[][2] = {
    { "nbd://0.0.0.0:", "nbd://127.0.0.1:" },
    { "nbd://[::]:", "nbd://[::1]:" },
  };

  for (size_t i = 0; i < ARRAY_SIZE (hosts); ++i) {
    size_t length = strlen (hosts[i][0]);

    if (strncmp (listens, hosts[i][0], length) == 0) {
      snprintf (uri, size, "%s%s", hosts[i][1], listens + length);
      return;
    }
  }
  snprintf (uri, size, "%s", listens);
}

int
swap_server_uri (char *uri, size_t size, const char *name, char *error,
                 size_t error_size)
{
  json_t *reply = ask (name, json_pack ("{s:s}", "verb", "status"), TIMEOUT,
                       error, error_size);
  const char *listens = json_string_value (
    json_array_get (json_object_get (reply, "listen"), 0));

  if (listens)
    own_address (uri, size, listens);
  else if (reply)
    snprintf (error, error_size, "%s: the server listens nowhere", name);
  json_decref (reply);
  return listens ? 0 : -1;
}

/* The process that has locked FD with flock, as /proc/locks tells; 0: it does
 * not.
 */
static pid_t
lock_owner (int fd)
{
  FILE *locks = kernel_file_open ("/proc/locks");
  char line[256];
  struct stat st;
  pid_t owner = 0;

  if (locks && fstat (fd, &st) == 0)
    while (owner == 0 && fgets (line, sizeof line, locks)) {
      unsigned major, minor;
      unsigned long long inode;
      int pid;

      if (sscanf (line, "%*s FLOCK %*s %*s %d %x:%x:%llu", &pid, &major,
                  &minor, &inode) == 4
          && makedev (major, minor) == st.st_dev && inode == st.st_ino)
        owner = pid;
    }
  if (locks)
    fclose (locks);
  return owner;
}

/* Does a process hold NAME.attach?  One that was killed, and does not end
 * since it waits for the device, is none: it ends when that is disconnected.
 */
static bool
has_watcher (const char *watcher)
{
  char path[RUN_PATH_SIZE];
  int fd = open (run_path (path, watcher, "attach"), O_RDWR | O_CLOEXEC);
  bool held;

  if (fd == -1)
    return false;
  held = flock (fd, LOCK_EX | LOCK_NB) == -1
    && !process_is_killed (lock_owner (fd));
  close (fd);
  return held;
}

/* Has NAME's supervisor a watcher of that name, be it between two? */
static bool
is_known (const char *name, const char *watcher)
{
  json_t *reply = status (name);
  const json_t *list = json_object_get (reply, "watchers");
  bool known = false;

  for (size_t i = 0; i < json_array_size (list); ++i)
    known = known || strcmp (json_text (json_array_get (list, i), "name"),
                             watcher) == 0;
  json_decref (reply);
  return known;
}

bool
swap_server_is_left (const char *name, const char *watcher,
                     struct attachment *a)
{
  return attach_find_watched (a, watcher) && !has_watcher (watcher)
    && !is_known (name, watcher);
}

void
swap_server_forget (const char *name, const char *watcher)
{
  char error[256];

  tell (name, json_pack ("{s:s, s:s}", "verb", "unwatch", "name", watcher),
        TIMEOUT, error, sizeof error);
}

int
swap_server_watch_later (const char *name, const char *watcher,
                         const char *uri, const struct conf *c, char *error,
                         size_t size)
{
  json_t *request;

  if (is_known (name, watcher))
    return 1;
  request = json_pack (
    "{s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "verb", "watch", "name", watcher,
    "uri", uri, "connections", (json_int_t) c->connections,
    "timeout", (json_int_t) c->timeout,
    "dead_timeout", (json_int_t) c->dead_timeout, "mirror", c->mirror);
  /* A supervisor of a former version does not know it. */
  if (conf_block_size (c) != CONF_BLOCK_SIZE_MAX)
    json_object_set_new (request, "block_size", json_integer (
      (json_int_t) conf_block_size (c)));
  return tell (name, request, TIMEOUT, error, size);
}

int
swap_server_watch (const char *name, const char *watcher, const char *uri,
                   const struct conf *c, struct attachment *a, char *error,
                   size_t size)
{
  int known = swap_server_watch_later (name, watcher, uri, c, error, size);

  if (known == -1)
    return -1;
  for (int ms = 0; ms < START_S * 1000; ms += TICK_MS) {
    if (attach_find_watched (a, watcher) && has_watcher (watcher))
      return 0;
    pause_ms (TICK_MS);
  }
  snprintf (error, size, "%s: %s was not attached within %d seconds",
            watcher, uri, START_S);
  /* One that does not get anywhere must not attach a device later. */
  if (!known)
    swap_server_forget (name, watcher);
  return -1;
}

static int
disconnect (const struct attachment *a, char *error, size_t size)
{
  struct nbd_netlink nl;
  int r = 0;

  if (nbd_device_belongs (a->index, a->identifier)) {
    r = nbd_open (&nl);
    if (r == 0)
      r = nbd_disconnect (&nl, a->index);
    if (r == -1)
      snprintf (error, size, "%s", nl.error);
    nbd_close_netlink (&nl);
  }
  if (r == 0)
    attach_forget (a->name);
  return r;
}

static pid_t
watcher_pid (const char *watcher)
{
  json_t *object = run_read (watcher, "attach");
  pid_t pid = (pid_t) json_integer_value (json_object_get (object, "pid"));

  json_decref (object);
  return pid;
}

/* A supervisor starts a watcher again that was killed: so it must be
 * this one that ends the device, as long as there is one to come.
 */
int
swap_server_unwatch (const char *name, const struct attachment *a,
                     char *error, size_t size)
{
  for (int ms = 0; ms < START_S * 1000; ms += TICK_MS) {
    pid_t pid = has_watcher (a->name) ? watcher_pid (a->name) : 0;

    if (pid > 0 && ms % 1000 == 0)
      kill (pid, SIGTERM);
    if (!nbd_device_belongs (a->index, a->identifier)
        && !has_watcher (a->name))
      break;
    if (pid == 0 && (ms >= 2000 || !swap_server_runs (name)))
      break;
    pause_ms (TICK_MS);
  }
  return disconnect (a, error, size);
}
