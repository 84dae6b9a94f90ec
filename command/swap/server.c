/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "command/attach/nbd-device.h"
#include "command/attach/nbd-netlink.h"
#include "command/base/cgroup.h"
#include "command/base/cleanup.h"
#include "command/base/control-client.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/process.h"
#include "command/base/run-file.h"
#include "command/base/run-program.h"
#include "lib/base/util.h"
#include "service/control-socket.h"
#include "service/set-error.h"

#include "server.h"

#define START_S 30              /* usually it takes a second */
#define STOP_S 120              /* a server may have to drain requests */
#define TICK_MS 20

static const char *unit_prefix = "nbdzram-swap@";

/* Waits for a moment.  Returns how long, in milliseconds. */
static int
tick (void)
{
  const struct timespec t = { .tv_nsec = TICK_MS * 1000000 };

  nanosleep (&t, NULL);
  return TICK_MS;
}

/* ---- the supervisor ---- */

bool
swap_server_has_systemd (void)
{
  return kernel_file_exists ("/run/systemd/system");
}

void
swap_server_use_mount_unit (void)
{
  unit_prefix = "nbdzram-mount@";
}

const char *
swap_server_unit_template (void)
{
  return unit_prefix;
}

/* Send REQUEST, which is consumed.  Returns the reply, which the caller must
 * release; or NULL with a line in ERROR.
 */
static json_t *
ask_supervisor (const char *name, json_t *request, int timeout, char *error,
                size_t size)
{
  struct server s;
  json_t *reply = NULL;

  if (server_at (&s, name, ".sup") == 0)
    server_try (&s, request, timeout, &reply, error, size);
  else {
    json_decref (request);
    snprintf (error, size, "%s: the name is too long", name);
  }
  return reply;
}

/* The same, for requests whose reply has no content. */
static int
tell_supervisor (const char *name, json_t *request, int timeout, char *error,
                 size_t size)
{
  json_auto_t *reply = ask_supervisor (name, request, timeout, error, size);

  return reply ? 0 : -1;
}

static json_t *
supervisor_status (const char *name)
{
  char error[256];

  return ask_supervisor (name, json_pack ("{s:s}", "verb", "status"),
                         TIMEOUT, error, sizeof error);
}

bool
swap_server_is_running (const char *name)
{
  json_auto_t *reply = supervisor_status (name);

  return reply != NULL;
}

bool
swap_server_may_attach (const char *name, char *unit, size_t size)
{
  json_auto_t *reply = supervisor_status (name);
  int pid = (int) json_integer_value (json_object_get (reply, "pid"));

  /* The kernel asks for this capability when a device is attached. */
  if (!json_is_false (json_object_get (reply, "swap"))
      && (pid == 0 || process_has_capability (pid, CAP_SYS_ADMIN) != 0))
    return true;
  if (!cgroup_service (pid, unit, size))
    unit[0] = '\0';
  return false;
}

/* OPTION may be NULL. */
static int
systemctl (const char *verb, const char *name, const char *option,
           char *error, size_t size)
{
  char unit[128];
  const char *const argv[] = {
    "systemctl", verb, unit, option, NULL,
  };

  snprintf (unit, sizeof unit, "%s%s.service", unit_prefix, name);
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
  const char *const argv[] = {
    self, "serve", "--swap", "--daemon",
    name, NULL,
  };

  /* Use the path of the program, which lists of processes show; but the file
   * may have been replaced since this process was started.
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
  for (int ms = 0; ms < START_S * 1000; ms += tick ()) {
    json_auto_t *reply = supervisor_status (name);
    bool waits = json_is_true (json_object_get (
      json_object_get (reply, "standby"), "waiting"));
    bool serves = !json_is_null (json_object_get (reply, "server"));

    if (!reply || !serves || waits)
      return;
  }
}

void
swap_server_stop_failed (const char *name)
{
  char error[256];

  tell_supervisor (name, json_pack ("{s:s, s:b, s:b}", "verb", "stop",
                                    "force", 0, "failed", 1),
                   STOP_S, error, sizeof error);
}

/* A supervisor that was told to stop ends after its server. */
static int
wait_for_end (const char *name, char *error, size_t size)
{
  for (int ms = 0; ms < STOP_S * 1000; ms += tick ())
    if (!swap_server_is_running (name))
      return 0;
  return set_error (error, size, "%s: the server does not end", name);
}

int
swap_server_stop (const char *name, bool unit, char *error, size_t size)
{
  char path[RUN_PATH_SIZE];

  if (unit)
    return systemctl ("stop", name, NULL, error, size);
  if (!swap_server_is_running (name)) {
    if (access (run_path (path, name, "run"), F_OK) == -1)
      return 0;
    /* The supervisor was killed.  A new one recovers its processes. */
    if (swap_server_start (name, false, error, size) == -1)
      return -1;
  }
  if (tell_supervisor (name, json_pack ("{s:s, s:b}", "verb", "stop", "force",
                                        0), STOP_S, error, size) == -1
      && swap_server_is_running (name))
    return -1;
  return wait_for_end (name, error, size);
}

/* ---- watchers ---- */

/* A server that listens at any address is reached at the loopback address. */
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
  json_auto_t *reply = ask_supervisor (
    name, json_pack ("{s:s}", "verb", "status"), TIMEOUT, error, error_size);
  const char *listens = json_string_value (
    json_array_get (json_object_get (reply, "listen"), 0));

  if (listens)
    own_address (uri, size, listens);
  else if (reply)
    snprintf (error, error_size, "%s: the server listens nowhere", name);
  return listens ? 0 : -1;
}

/* The process that has locked FD with flock, from /proc/locks; 0 if none is
 * listed.
 */
static pid_t
lock_owner (int fd)
{
  CLEANUP_FCLOSE FILE *locks = kernel_file_open ("/proc/locks");
  char line[256];
  struct stat st;

  if (!locks || fstat (fd, &st) == -1)
    return 0;
  while (fgets (line, sizeof line, locks)) {
    unsigned major, minor;
    unsigned long long inode;
    int pid;

    if (sscanf (line, "%*s FLOCK %*s %*s %d %x:%x:%llu", &pid, &major,
                &minor, &inode) == 4
        && makedev (major, minor) == st.st_dev && inode == st.st_ino)
      return pid;
  }
  return 0;
}

/* Does a process hold the lock of WATCHER.attach?  A killed process that waits
 * for the device does not count: it ends when the device is disconnected.
 */
static bool
has_watcher (const char *watcher)
{
  char path[RUN_PATH_SIZE];
  CLEANUP_CLOSE int fd = open (run_path (path, watcher, "attach"),
                               O_RDWR | O_CLOEXEC);

  return fd != -1 && flock (fd, LOCK_EX | LOCK_NB) == -1
    && !process_is_killed (lock_owner (fd));
}

/* Does a supervisor's REPLY, which may be NULL, list WATCHER? */
static bool
lists_watcher (const json_t *reply, const char *watcher)
{
  const json_t *w;
  size_t i;

  json_array_foreach (json_object_get (reply, "watchers"), i, w)
    if (strcmp (json_text (w, "name"), watcher) == 0)
      return true;
  return false;
}

/* Does the supervisor of NAME list WATCHER, even if its process has died and
 * will be started again?
 */
static bool
supervisor_has_watcher (const char *name, const char *watcher)
{
  json_auto_t *reply = supervisor_status (name);

  return lists_watcher (reply, watcher);
}

static void
areas_name (char *watcher, size_t size, const char *name)
{
  snprintf (watcher, size, "%s" AREAS_SUFFIX, name);
}

int
swap_server_manage_areas (const char *name, int priority, unsigned most,
                          char *error, size_t size)
{
  return tell_supervisor (name, json_pack ("{s:s, s:i, s:i}",
                                           "verb", "areas",
                                           "priority", priority,
                                           "most", (int) most),
                          TIMEOUT, error, size);
}

int
swap_server_end_areas (const char *name)
{
  char watcher[CONTROL_NAME_MAX + 16], path[RUN_PATH_SIZE];

  areas_name (watcher, sizeof watcher, name);
  for (int ms = 0; ms < START_S * 1000; ms += tick ()) {
    json_auto_t *reply = supervisor_status (name);

    /* A supervisor that started in the meantime has to be told again. */
    if (reply && ms % 1000 == 0)
      swap_server_cancel_watch (name, watcher);
    if (reply ? !lists_watcher (reply, watcher)
        : control_socket_is_alive (run_path (path, name, "sup")) != 1)
      return 0;
  }
  return -1;
}

bool
swap_server_is_orphaned (const char *name, const char *watcher,
                     struct attachment *a)
{
  return attach_find_watched (a, watcher) && !has_watcher (watcher)
    && !supervisor_has_watcher (name, watcher);
}

void
swap_server_cancel_watch (const char *name, const char *watcher)
{
  char error[256];

  tell_supervisor (name, json_pack ("{s:s, s:s}", "verb", "unwatch", "name",
                                    watcher), TIMEOUT, error, sizeof error);
}

int
swap_server_watch_later (const char *name, const char *watcher,
                         const char *uri, const struct conf *c, char *error,
                         size_t size)
{
  json_t *request;

  if (supervisor_has_watcher (name, watcher))
    return 1;
  request = json_pack (
    "{s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "verb", "watch", "name", watcher,
    "uri", uri, "connections", (json_int_t) c->connections,
    "timeout", (json_int_t) c->timeout,
    "dead_timeout", (json_int_t) c->dead_timeout, "mirror", c->mirror);
  /* A supervisor of an earlier version does not know this key. */
  if (conf_block_size (c) != CONF_BLOCK_SIZE_MAX)
    json_object_set_new (request, "block_size", json_integer (
      (json_int_t) conf_block_size (c)));
  return tell_supervisor (name, request, TIMEOUT, error, size);
}

int
swap_server_watch (const char *name, const char *watcher, const char *uri,
                   const struct conf *c, struct attachment *a, char *error,
                   size_t size)
{
  int known = swap_server_watch_later (name, watcher, uri, c, error, size);

  if (known == -1)
    return -1;
  for (int ms = 0; ms < START_S * 1000; ms += tick ())
    if (attach_find_watched (a, watcher) && has_watcher (watcher))
      return 0;
  snprintf (error, size, "%s: %s was not attached within %d seconds",
            watcher, uri, START_S);
  /* Or the watcher might still attach a device later. */
  if (!known)
    swap_server_cancel_watch (name, watcher);
  return -1;
}

static int
disconnect_device (const struct attachment *a, char *error, size_t size)
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
    attach_remove (a->name);
  return r;
}

static pid_t
watcher_pid (const char *watcher)
{
  json_auto_t *object = run_read (watcher, "attach");

  return (pid_t) json_number (object, "pid");
}

/* The supervisor restarts a watcher that was killed.  So as long as there is a
 * watcher, or one may still come, it must be the one that disconnects the
 * device.
 */
int
swap_server_unwatch (const char *name, const struct attachment *a,
                     char *error, size_t size)
{
  for (int ms = 0; ms < START_S * 1000; ms += tick ()) {
    pid_t pid = has_watcher (a->name) ? watcher_pid (a->name) : 0;

    if (pid > 0 && ms % 1000 == 0)
      kill (pid, SIGTERM);
    if (!nbd_device_belongs (a->index, a->identifier)
        && !has_watcher (a->name))
      break;
    if (pid == 0 && (ms >= 2000 || !swap_server_is_running (name)))
      break;
  }
  return disconnect_device (a, error, size);
}
