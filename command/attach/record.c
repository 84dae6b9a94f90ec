/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "command/base/cleanup.h"
#include "command/base/output.h"
#include "command/base/run-file.h"
#include "lib/base/util.h"
#include "service/control-path.h"

#include "nbd-device.h"
#include "record.h"

const char *
attach_name (char *buf, size_t size, const char *name, size_t k)
{
  if (k == 0)
    snprintf (buf, size, "%s", name);
  else
    snprintf (buf, size, "%s.%zu", name, k);
  return buf;
}

bool
attach_name_belongs (const char *watcher, const char *name)
{
  size_t len = strlen (name);

  if (strncmp (watcher, name, len) != 0)
    return false;
  watcher += len;
  return *watcher == '\0'
    || (*watcher == '.' && watcher[1] >= '1' && watcher[1] <= '9'
        && watcher[1 + strspn (watcher + 1, "0123456789")] == '\0');
}

static void
copy_text (char *to, size_t size, const json_t *object, const char *key)
{
  snprintf (to, size, "%s", json_text (object, key));
}

int
attach_read (struct attachment *a, const char *name)
{
  json_auto_t *object = run_read (name, "attach");
  const json_t *server;

  if (!object)
    return -1;
  *a = (struct attachment) {
    .index = (int) json_number (object, "index"),
    .size = json_number (object, "size"),
    .block_size = json_number (object, "block_size"),
    .connections = json_number (object, "connections"),
    .timeout = json_number (object, "timeout"),
    .dead_timeout = json_number (object, "dead_timeout"),
    .reconnects = json_number (object, "reconnects"),
  };
  snprintf (a->name, sizeof a->name, "%s", name);
  copy_text (a->identifier, sizeof a->identifier, object, "identifier");
  copy_text (a->uri, sizeof a->uri, object, "uri");
  copy_text (a->description, sizeof a->description, object, "description");
  copy_text (a->array, sizeof a->array, object, "array");
  server = json_object_get (object, "server");
  a->server = (pid_t) json_number (server, "pid");
  a->server_start = json_number (server, "start");
  for (unsigned n = 0; queue_key (n); ++n)
    copy_text (a->queue.old[n], sizeof a->queue.old[n],
               json_object_get (object, "queue"), queue_key (n));
  return 0;
}

bool
attach_find_device (struct attachment *a, int index, const char *name)
{
  char directory[RUN_PATH_SIZE], found[sizeof a->name];
  const struct dirent *entry;
  CLEANUP_CLOSEDIR DIR *dir
    = opendir (control_directory (directory, sizeof directory));

  while (dir && (entry = readdir (dir)) != NULL)
    if (name_of_file (found, sizeof found, entry->d_name, ATTACH_SUFFIX)
        && (!name || strcmp (found, name) != 0)
        && attach_read (a, found) == 0 && a->index == index)
      return true;
  return false;
}

/* A process that checks whether it is locked holds the lock for a moment. */
static int
lock_record (int fd)
{
  const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };

  for (int tries = 0; flock (fd, LOCK_EX | LOCK_NB) == -1; ++tries) {
    if (errno != EWOULDBLOCK || tries == 20)
      return -1;
    nanosleep (&pause, NULL);
  }
  return 0;
}

/* Its page stays mapped, so mlockall keeps it in memory. */
static int
map_page (int fd)
{
  static void *page = NULL;

  if (page)
    munmap (page, ATTACH_SIZE);
  page = mmap (NULL, ATTACH_SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (page != MAP_FAILED)
    return 0;
  page = NULL;
  return -1;
}

int
attach_open (const char *name)
{
  char path[RUN_PATH_SIZE], directory[RUN_PATH_SIZE];
  int fd;

  mkdir (control_directory (directory, sizeof directory), 0700);
  fd = open (run_path (path, name, "attach"), O_RDWR | O_CREAT | O_CLOEXEC,
             0644);
  if (fd == -1)
    return -1;
  if (lock_record (fd) == -1) {
    if (errno == EWOULDBLOCK)
      errno = EBUSY;
  }
  else if (ftruncate (fd, ATTACH_SIZE) == 0 && map_page (fd) == 0)
    return fd;
  fd_close (&fd);
  return -1;
}

bool
attach_is_current (int fd, const char *name)
{
  char path[RUN_PATH_SIZE];
  struct stat ours, theirs;

  return fd != -1 && fstat (fd, &ours) == 0
    && lstat (run_path (path, name, "attach"), &theirs) == 0
    && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

bool
attach_is_watched (const char *name)
{
  char path[RUN_PATH_SIZE];
  CLEANUP_CLOSE int fd = open (run_path (path, name, "attach"),
                               O_RDONLY | O_CLOEXEC);

  return fd != -1 && flock (fd, LOCK_SH | LOCK_NB) == -1
    && errno == EWOULDBLOCK;
}

/* The end of the path must fit into the address; it tells names apart. */
int
attach_exclude (const char *name)
{
  struct sockaddr_un addr = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char path[RUN_PATH_SIZE];
  size_t length, room = sizeof addr.sun_path - 1;

  if (fd == -1)
    return -1;
  length = strlen (run_path (path, name, "attach"));
  length = length < room ? length : room;
  memcpy (addr.sun_path + 1, path + strlen (path) - length, length);
  if (bind (fd, (const struct sockaddr *) &addr,
            (socklen_t) (offsetof (struct sockaddr_un, sun_path) + 1 + length))
      == 0)
    return 0;
  close (fd);
  return -1;
}

static json_t *
queue_json (const struct device_queue *q)
{
  json_t *object = json_object ();

  for (unsigned n = 0; queue_key (n); ++n)
    if (q->old[n][0] != '\0')
      json_object_set_new (object, queue_key (n), json_string (q->old[n]));
  return object;
}

static json_t *
attach_json (const struct attachment *a)
{
  char device[32];

  snprintf (device, sizeof device, "/dev/nbd%d", a->index);
  return json_pack ("{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:i, s:I,"
                    " s:s, s:s, s:{s:i, s:I}, s:o}",
                    "device", device, "index", a->index, "uri", a->uri,
                    "size", (json_int_t) a->size,
                    "block_size", (json_int_t) a->block_size,
                    "connections", (json_int_t) a->connections,
                    "timeout", (json_int_t) a->timeout,
                    "dead_timeout", (json_int_t) a->dead_timeout,
                    "identifier", a->identifier,
                    "pid", (int) getpid (),
                    "reconnects", (json_int_t) a->reconnects,
                    "description", a->description, "array", a->array,
                    "server", "pid", (int) a->server,
                    "start", (json_int_t) a->server_start,
                    "queue", queue_json (&a->queue));
}

int
attach_write (int fd, const struct attachment *a)
{
  static char text[ATTACH_SIZE];
  json_auto_t *object = attach_json (a);
  size_t length;
  ssize_t n;

  if (!object)
    return fail_with (ENOMEM);
  memset (text, ' ', sizeof text);
  length = json_dumpb (object, text, sizeof text - 1, JSON_COMPACT);
  if (length == 0 || length >= sizeof text)
    return fail_with (ENOSPC);
  text[sizeof text - 1] = '\n';
  n = pwrite (fd, text, sizeof text, 0);
  if (n != (ssize_t) sizeof text)
    return fail_with (n == -1 ? errno : ENOSPC);
  return 0;
}

void
attach_release (const struct attachment *a)
{
  char path[RUN_PATH_SIZE];

  if (!nbd_device_foreign (a->index, a->identifier))
    queue_restore (&a->queue, a->index, a->timeout);
  unlink (run_path (path, a->name, "attach"));
}

void
attach_remove (const char *name)
{
  struct attachment a;

  if (attach_read (&a, name) == 0)
    attach_release (&a);
  else
    run_remove (name, "attach");
}

bool
attach_find_watched (struct attachment *a, const char *watcher)
{
  char path[RUN_PATH_SIZE];

  if (attach_read (a, watcher) == 0
      && nbd_device_belongs (a->index, a->identifier))
    return true;
  /* A watcher creates the file first, and may have been killed before it
   * wrote to it.
   */
  if (access (run_path (path, watcher, "attach"), F_OK) == -1)
    return false;
  *a = (struct attachment) { .index = -1 };
  snprintf (a->name, sizeof a->name, "%s", watcher);
  snprintf (a->identifier, sizeof a->identifier, "nbdzram:%s", watcher);
  a->index = nbd_device_find (a->identifier);
  return a->index != -1;
}
