/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram watch: attach /dev/nbdN to a server, and keep it attached. */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attach-file.h"
#include "client.h"
#include "clock.h"
#include "half.h"
#include "nbd-device.h"
#include "nbd-dial.h"
#include "nbd-netlink.h"
#include "nbd-receivers.h"
#include "options.h"
#include "process.h"
#include "run-file.h"
#include "self-hardening.h"
#include "swaps.h"
#include "watcher.h"

#define DIAL_MS 10000           /* a server that restarts lets us wait */
#define DIAL_AGAIN_MS 2000      /* nobody waits for a half that was given up */
#define LEAVE_TICK 100
#define BLOCK_SIZE 4096
#define HEAP (4 * 1024 * 1024)  /* ten times what a reconnection takes */
#define PRIORITY 3              /* above the server's threads: watcher.h */

struct watching {
  struct attachment a;
  int file;                     /* NAME.attach */
  struct nbd_netlink nl;
  struct nbd_address address;
  struct nbd_dial dial;
  bool dialing;
  bool knows_disk;              /* a.description is what it must be */
  struct watcher watcher;
  bool mirror;                  /* it is, or will be, a half */
  bool apart;                   /* given up, and not connected again */
  struct half half;
  char said[256];
};

static volatile sig_atomic_t told_to_end;

/* ---- saying what happens ---- */

/* To standard error, if it takes it at once: who reads there may itself
 * be waiting for what we are about to repair.
 */
static void
put_line (const char *line)
{
  struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
  size_t length = strlen (line);

  if (poll (&p, 1, 0) <= 0)
    return;
  if (send (STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) == -1
      && errno == ENOTSOCK && write (STDERR_FILENO, line, length) == -1)
    return;
}

static void say (struct watching *w, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* The same is not said twice in a row. */
static void
say (struct watching *w, const char *format, ...)
{
  char line[256];
  size_t length;
  va_list ap;

  snprintf (line, sizeof line, "nbdzram watch: %s: ", w->a.name);
  length = strlen (line);
  va_start (ap, format);
  vsnprintf (line + length, sizeof line - length - 1, format, ap);
  va_end (ap);
  strcat (line, "\n");
  if (strcmp (line, w->said) == 0)
    return;
  strcpy (w->said, line);
  put_line (line);
}

/* ---- what the watcher asks for ---- */

static int64_t
now (void *opaque)
{
  (void) opaque;
  return now_ms ();
}

/* Pages that are not those that were written are worse than none. */
static bool
is_same_disk (struct watching *w, const struct nbd_dialed *d)
{
  if (d->size / BLOCK_SIZE * BLOCK_SIZE != w->a.size) {
    say (w, "%s has another export size: %" PRIu64 ", not %" PRIu64
         "; it is not connected", w->a.uri, d->size, w->a.size);
    return false;
  }
  if (!w->knows_disk)
    strcpy (w->a.description, d->description);
  w->knows_disk = true;
  if (strcmp (d->description, w->a.description) != 0) {
    say (w, "%s has lost the pages of /dev/nbd%d: it is now \"%s\", not "
         "\"%s\"; it is not connected", w->a.uri, w->a.index,
         d->description, w->a.description);
    return false;
  }
  return true;
}

static int
dial (void *opaque, struct nbd_dialed *d, struct pollfd *p, int *timeout)
{
  struct watching *w = opaque;
  int r;

  if (!w->dialing)
    nbd_dial_begin (&w->dial, &w->address, DIAL_MS);
  r = nbd_dial_step (&w->dial);
  w->dialing = r == 0;
  if (r == -1)
    say (w, "%s: %s; trying again", w->a.uri, w->dial.error);
  if (r == 0) {
    *p = (struct pollfd) { .fd = -1 };
    p->fd = nbd_dial_fd (&w->dial, &p->events);
    *timeout = nbd_dial_left (&w->dial);
  }
  if (r != 1)
    return r;
  *d = w->dial.result;
  if (is_same_disk (w, d))
    return 1;
  close (d->fd);
  if (d->pidfd != -1)
    close (d->pidfd);
  return -1;
}

static int
offer (void *opaque, int fd)
{
  struct watching *w = opaque;

  if (nbd_reconfigure (&w->nl, w->a.index, w->a.identifier, fd) == 0)
    return 0;
  say (w, "%s", w->nl.error);
  return -1;
}

static int
receivers (void *opaque)
{
  struct watching *w = opaque;

  return nbd_receivers (w->a.index);
}

/* Who is not sure stays: a device that nobody watches is lost. */
static int
connected (void *opaque)
{
  struct watching *w = opaque;
  bool yes;

  if (nbd_status (&w->nl, w->a.index, &yes) == -1)
    return -1;
  return yes && !nbd_device_foreign (w->a.index, w->a.identifier);
}

static void
kill_server (void *opaque, int pidfd, pid_t pid)
{
  struct watching *w = opaque;

  /* It may be about to end by itself: then this changes nothing. */
  syscall (SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
  say (w, "/dev/nbd%d lost a connection to the server (pid %d); it must be "
       "gone before there are new ones", w->a.index, (int) pid);
}

static void
save (struct watching *w)
{
  if (attach_write (w->file, &w->a) == -1)
    say (w, "%s.attach: %s", w->a.name, strerror (errno));
}

/* Before anything of the new server's is offered: a successor of ours
 * must not take its sockets for those of a server that has ended.
 */
static void
server_changed (void *opaque, pid_t pid)
{
  struct watching *w = opaque;

  w->a.server = pid;
  w->a.server_start = pid > 0 ? process_start_time (pid) : 0;
  save (w);
}

static void
reconnected (void *opaque, unsigned live)
{
  struct watching *w = opaque;

  w->a.reconnects++;
  save (w);
  w->said[0] = '\0';
  say (w, "/dev/nbd%d: connected again, %u of %" PRIu64, w->a.index, live,
       w->a.connections);
}

static const struct watcher_ops ops = {
  .now = now,
  .dial = dial,
  .offer = offer,
  .receivers = receivers,
  .connected = connected,
  .kill = kill_server,
  .server_changed = server_changed,
  .reconnected = reconnected,
};

/* ---- beginning ---- */

static int
refuse (struct watching *w, const char *why)
{
  say (w, "%s", why);
  return -1;
}

/* Dial all connections of a new device, each within MS. */
static int
dial_all (struct watching *w, struct nbd_dialed *list, unsigned *count,
          int ms)
{
  for (*count = 0; *count < w->a.connections; ++*count) {
    struct nbd_dialed *d = &list[*count];

    if (nbd_dial (&w->dial, &w->address, ms) == -1) {
      say (w, "%s: %s", w->a.uri, w->dial.error);
      return -1;
    }
    *d = w->dial.result;
    if (w->a.size == 0)
      w->a.size = d->size / BLOCK_SIZE * BLOCK_SIZE;
    if (!is_same_disk (w, d)) {
      ++*count;
      return -1;
    }
  }
  if (w->a.size == 0)
    return refuse (w, "the disk is smaller than a block");
  if (w->a.connections > 1 && !(list[0].flags & (1 << 8)))
    return refuse (w, "the server allows no more than one connection");
  return 0;
}

static int
connect_all (struct watching *w, int index, const struct nbd_dialed *list,
             unsigned count)
{
  int fds[WATCHER_CONNECTIONS];
  const struct nbd_setup setup = {
    .index = index, .size = w->a.size, .block_size = BLOCK_SIZE,
    .timeout = w->a.timeout, .dead_timeout = w->a.dead_timeout,
    .server_flags = list[0].flags, .identifier = w->a.identifier,
  };

  for (unsigned i = 0; i < count; ++i)
    fds[i] = list[i].fd;
  if (nbd_connect (&w->nl, &setup, fds, count, &w->a.index) == -1)
    return refuse (w, w->nl.error);
  w->a.server = list[0].pid;
  w->a.server_start = process_start_time (list[0].pid);
  if (attach_write (w->file, &w->a) == 0)
    return 0;
  nbd_disconnect (&w->nl, w->a.index);
  return refuse (w, strerror (errno));
}

static int
attach (struct watching *w, int index, int ms)
{
  struct nbd_dialed list[WATCHER_CONNECTIONS] = { { .fd = -1 } };
  unsigned count;

  if (dial_all (w, list, &count, ms) == 0
      && connect_all (w, index, list, count) == 0) {
    watcher_start (&w->watcher, &ops, w, count, list, count, -1, 0);
    return 0;
  }
  for (unsigned i = 0; i < count; ++i) {
    close (list[i].fd);
    if (list[i].pidfd != -1)
      close (list[i].pidfd);
  }
  return -1;
}

/* Nobody has written down which server it was: then it may be any, and
 * is not to be trusted.
 */
static int
present_server (struct watching *w)
{
  if (!w->address.local || nbd_dial (&w->dial, &w->address, DIAL_MS) == -1)
    return -1;
  close (w->dial.result.fd);
  w->a.server = w->dial.result.pid;
  w->a.server_start = process_start_time (w->a.server);
  return w->dial.result.pidfd;
}

/* A descriptor of the server that was the last, if that still lives. */
static int
former_server (const struct attachment *a)
{
  struct process p = NO_PROCESS;

  /* Of one that had ended before it was written down there is no start. */
  if (a->server > 0 && a->server_start > 0)
    process_open (&p, a->server, a->server_start);
  return p.fd;
}

/* Go on with the device of a watcher that was killed. */
static bool
resume (struct watching *w, const struct attachment *old, bool known)
{
  int pidfd;

  if (known && nbd_device_belongs (old->index, w->a.identifier))
    w->a.index = old->index;
  else
    w->a.index = nbd_device_find (w->a.identifier);
  if (w->a.index == -1)
    return false;
  w->a.size = nbd_device_size (w->a.index);
  if (known) {
    w->a.connections = old->connections;
    w->a.timeout = old->timeout;
    w->a.dead_timeout = old->dead_timeout;
    w->a.reconnects = old->reconnects;
    strcpy (w->a.description, old->description);
    w->knows_disk = true;
    w->a.server = old->server;
    w->a.server_start = old->server_start;
    strcpy (w->a.array, old->array);
  }
  pidfd = known ? former_server (&w->a) : present_server (w);
  watcher_start (&w->watcher, &ops, w, (unsigned) w->a.connections, NULL, 0,
                 pidfd, w->a.server);
  save (w);
  say (w, "goes on with /dev/nbd%d", w->a.index);
  return true;
}

/* ... or with a half of a mirror that was given up. */
static bool
resume_apart (struct watching *w, const struct attachment *old)
{
  if (!w->mirror || old->array[0] == '\0')
    return false;
  w->a.index = old->index;
  w->a.reconnects = old->reconnects;
  strcpy (w->a.array, old->array);
  w->apart = true;
  save (w);
  return true;
}

/* Does somebody swap to a device that is ours, or may be, or to an array
 * that has it?  Then no other one will do.
 */
static bool
is_swap (const struct attachment *a, const char *identifier)
{
  char device[NBD_DEVICE_PATH_SIZE], path[MD_DEVICE_PATH_SIZE];
  char array[MD_NAME_SIZE];

  if (nbd_device_foreign (a->index, identifier))
    return false;
  return swap_find (nbd_device_path (device, a->index), NULL)
    || (md_find (array, a->index)
        && swap_find (md_device_path (path, array), NULL));
}

static int
begin (struct watching *w, int index)
{
  struct attachment old;
  bool known = attach_read (&old, w->a.name) == 0;
  char path[RUN_PATH_SIZE];

  w->file = attach_open (w->a.name);
  if (w->file == -1)
    return refuse (w, errno == EBUSY ? "another watcher is at work"
                   : strerror (errno));
  if (resume (w, &old, known) || (known && resume_apart (w, &old)))
    return 0;
  if (known && is_swap (&old, w->a.identifier))
    return refuse (w, "its device is in use as swap, but not found "
                   "connected");
  if (attach (w, index, DIAL_MS) == 0)
    return 0;
  unlink (run_path (path, w->a.name, "attach"));
  return -1;
}

/* ---- working, and the end ---- */

/* Disconnect, unless somebody would lose data. */
static bool
finish (struct watching *w)
{
  char device[NBD_DEVICE_PATH_SIZE];

  nbd_device_path (device, w->a.index);
  if (swap_find (device, NULL)) {
    say (w, "%s is in use as swap: run nbdzram swapoff %s", device,
         w->a.name);
    return false;
  }
  if (nbd_device_busy (w->a.index)) {
    say (w, "%s is in use", device);
    return false;
  }
  if (!w->watcher.gone
      && nbd_disconnect (&w->nl, w->a.index) == -1) {
    say (w, "%s", w->nl.error);
    return false;
  }
  return true;
}

static void
take_signal (int signal)
{
  (void) signal;
  told_to_end = 1;
}

/* Signals come only while we poll. */
static void
catch_signals (sigset_t *usual)
{
  struct sigaction action = { .sa_handler = take_signal };
  sigset_t block;

  sigaction (SIGTERM, &action, NULL);
  sigaction (SIGINT, &action, NULL);
  signal (SIGPIPE, SIG_IGN);
  signal (SIGHUP, SIG_IGN);
  sigemptyset (&block);
  sigaddset (&block, SIGTERM);
  sigaddset (&block, SIGINT);
  sigprocmask (SIG_BLOCK, &block, usual);
  sigdelset (usual, SIGTERM);
  sigdelset (usual, SIGINT);
}

/* ---- a half of a mirror ---- */

/* What the kernel still has fails, at once.  What the server still has is
 * of no more account: it is brought up to date before it is read.
 */
static void
give_up (struct watching *w)
{
  if (nbd_disconnect (&w->nl, w->a.index) == -1) {
    say (w, "%s", w->nl.error);
    return;
  }
  say (w, "%s is given up: /dev/%s goes on without /dev/nbd%d", w->a.uri,
       w->a.array, w->a.index);
  if (w->dialing)
    nbd_dial_end (&w->dial);
  w->dialing = false;
  watcher_end (&w->watcher);
  w->apart = true;
}

/* Leave the array, and connect the device as a new one, with whatever its
 * server has now.  False: told to end before.
 */
static bool
come_back (struct watching *w, const sigset_t *usual)
{
  const struct timespec tick = { .tv_nsec = LEAVE_TICK * 1000000 };
  int64_t next = 0;
  bool left = false;

  for (; !told_to_end; ppoll (NULL, 0, &tick, usual)) {
    left = left || half_leave (&w->half);
    if (!left || now_ms () < next)
      continue;
    w->knows_disk = false;
    if (attach (w, nbd_device_foreign (w->a.index, w->a.identifier)
                   ? -1 : w->a.index, DIAL_AGAIN_MS) == 0)
      break;
    next = now_ms () + DIAL_AGAIN_MS;
  }
  if (told_to_end)
    return false;
  w->apart = false;
  half_begin (&w->half, w->a.index, w->a.array);
  reconnected (w, (unsigned) w->a.connections);
  return true;
}

static void
look_at_half (struct watching *w)
{
  bool dead = w->watcher.dead == w->watcher.connections;
  char text[160];

  switch (half_look (&w->half, dead, now_ms (), text, sizeof text)) {
  case HALF_QUIET:
    break;
  case HALF_FOUND:
    save (w);
    break;
  case HALF_GIVE_UP:
    give_up (w);
    break;
  case HALF_ADDING:
    say (w, "/dev/nbd%d is given back to /dev/%s", w->a.index, w->a.array);
    break;
  case HALF_ADDED:
    say (w, "/dev/%s has /dev/nbd%d again, and brings it up to date",
         w->a.array, w->a.index);
    break;
  case HALF_NOT_ADDED:
    say (w, "/dev/%s does not take /dev/nbd%d: %s", w->a.array, w->a.index,
         text);
    break;
  }
}

static void
work (struct watching *w, const sigset_t *usual)
{
  while (!w->apart || come_back (w, usual)) {
    int ms = watcher_step (&w->watcher);
    struct timespec t;

    if (w->mirror) {
      look_at_half (w);
      if (ms == -1 || ms > half_tick (&w->half))
        ms = half_tick (&w->half);
    }
    if (w->apart)
      continue;
    t = (struct timespec) { .tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000 };
    if (w->watcher.gone) {
      say (w, "somebody has disconnected /dev/nbd%d", w->a.index);
      return;
    }
    ppoll (w->watcher.polls, w->watcher.poll_count, ms == -1 ? NULL : &t,
           usual);
    if (told_to_end && finish (w))
      return;
    told_to_end = 0;
  }
}

static int
run (struct watching *w, int index)
{
  char missing[256], path[RUN_PATH_SIZE];
  sigset_t usual;

  catch_signals (&usual);
  if (begin (w, index) == -1)
    return EXIT_FAILED;
  if (!harden_self (HEAP, PRIORITY, missing, sizeof missing))
    say (w, "works without %s", missing);
  half_begin (&w->half, w->a.index, w->a.array);
  if (!w->apart)
    say (w, "/dev/nbd%d is attached to %s", w->a.index, w->a.uri);
  work (w, &usual);
  if (!w->apart && w->watcher.gone && is_swap (&w->a, w->a.identifier))
    return EXIT_FAILED;
  unlink (run_path (path, w->a.name, "attach"));
  if (!w->apart)
    watcher_end (&w->watcher);
  say (w, "/dev/nbd%d is disconnected", w->a.index);
  return EXIT_OK;
}

static void
check_options (const struct command *command, const struct watching *w,
               const char *name, const char *uri)
{
  if (!name)
    usage_error (command, "NAME is missing");
  if (!control_name_valid (name))
    usage_error (command, "'%s' can't be a name", name);
  if (!uri)
    usage_error (command, "where is the server? --uri says");
  if (strlen (uri) >= sizeof w->a.uri)
    usage_error (command, "--uri is too long");
  if (w->a.connections < 1 || w->a.connections > WATCHER_CONNECTIONS)
    usage_error (command, "--connections=%" PRIu64 ": from 1 to %d",
                 w->a.connections, WATCHER_CONNECTIONS);
  if (w->a.timeout == 0)
    usage_error (command, "--timeout=0: without one, requests are lost with "
                 "their server");
}

int
command_watch (const struct command *command, int argc, char *argv[])
{
  static struct watching w = {
    .a = { .connections = 2, .timeout = 3, .dead_timeout = 300 }, .file = -1,
  };
  const char *uri = NULL, *name;
  uint64_t index = UINT64_MAX;
  char error[256];
  const struct option_entry entries[] = {
    { .name = "uri", .argument = "URI", .string = &uri,
      .help = "the server: nbd://HOST, nbd+unix:///?socket=PATH" },
    { .name = "connections", .letter = 'C', .argument = "N",
      .number = &w.a.connections, .help = "how many, from 2 (2)" },
    { .name = "timeout", .argument = "SECONDS", .number = &w.a.timeout,
      .help = "until a request is sent again (3)" },
    { .name = "dead-timeout", .argument = "SECONDS",
      .number = &w.a.dead_timeout,
      .help = "requests wait for a server so long (300)" },
    { .name = "device", .argument = "N", .number = &index,
      .help = "attach /dev/nbdN, not just a free one" },
    { .name = "mirror", .flag = &w.mirror,
      .help = "it is a half of a mirror, and may be given up" },
    { 0 },
  };
  int first = options_parse (command, argc, argv, entries);

  name = last_argument (command, first, argc, argv);
  check_options (command, &w, name, uri);
  snprintf (w.a.name, sizeof w.a.name, "%s", name);
  snprintf (w.a.identifier, sizeof w.a.identifier, "nbdzram:%s", name);
  snprintf (w.a.uri, sizeof w.a.uri, "%s", uri);
  if (nbd_resolve (&w.address, uri, error, sizeof error) == -1
      || nbd_open (&w.nl) == -1) {
    fprintf (stderr, "nbdzram watch: %s: %s\n", name,
             w.nl.error[0] ? w.nl.error : error);
    return EXIT_FAILED;
  }
  return run (&w, index > 1023 ? -1 : (int) index);
}
