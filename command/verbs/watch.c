/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram watch: attach /dev/nbdN to a server, and keep it attached. */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command/attach/nbd-device.h"
#include "command/attach/watch-process.h"
#include "command/base/control-client.h"
#include "command/base/harden-self.h"
#include "command/base/options.h"
#include "command/base/proc-swaps.h"
#include "command/conf/conf.h"
#include "lib/base/util.h"
#include "service/start-barrier.h"

#define HEAP (4 * 1024 * 1024)  /* ten times what a reconnection takes */
#define INDEX_MAX 1023          /* of /dev/nbdN, as nbd-device.c looks */
#define ANY_DEVICE UINT64_MAX
#define PRIORITY 3              /* above the server's threads: watcher.h */

/* ---- signals ---- */

static volatile sig_atomic_t told_to_end;

bool
watch_is_told_to_end (void)
{
  return told_to_end;
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

/* ---- working, and the end ---- */

/* Disconnect, unless somebody would lose data. */
static bool
finish (struct watching *w)
{
  char device[NBD_DEVICE_PATH_SIZE];

  nbd_device_path (device, w->a.index);
  if (swap_find (device, NULL)) {
    watch_say (w, "%s is in use as swap: run nbdzram swapoff %s", device,
               w->a.name);
    return false;
  }
  if (nbd_device_busy (w->a.index)) {
    watch_say (w, "%s is in use", device);
    return false;
  }
  if (!watcher_is_gone (&w->watcher)
      && nbd_disconnect (&w->nl, w->a.index) == -1) {
    watch_say (w, "%s", w->nl.error);
    return false;
  }
  return true;
}

/* Where polling is refused for want of memory or descriptors, this must not
 * go round and round at its priority.
 */
static void
work (struct watching *w, const sigset_t *usual)
{
  const struct timespec pause = { .tv_nsec = 100 * 1000000 };

  while (!w->apart || watch_member_return (w, usual)) {
    int ms = watcher_step (&w->watcher), file_ms = watch_keep_file (w);
    struct timespec t;

    if (ms == -1 || ms > file_ms)
      ms = file_ms;

    if (w->mirror) {
      watch_member_look (w);
      if (ms > member_tick (&w->member))
        ms = member_tick (&w->member);
    }
    if (w->apart)
      continue;
    t = (struct timespec) { .tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000 };
    if (watcher_is_gone (&w->watcher)) {
      watch_say (w, "somebody has disconnected /dev/nbd%d", w->a.index);
      return;
    }
    if (ppoll (w->watcher.polls, w->watcher.poll_count, &t, usual) == -1
        && errno != EINTR)
      ppoll (NULL, 0, &pause, usual);
    if (told_to_end && finish (w))
      return;
    told_to_end = 0;
  }
}

static int
run (struct watching *w, int index)
{
  char missing[256];
  sigset_t usual;

  catch_signals (&usual);
  if (watch_begin (w, index) == -1)
    return EXIT_FAILED;
  if (!harden_self (HEAP, PRIORITY, missing, sizeof missing))
    watch_say (w, "works without %s", missing);
  member_begin (&w->member, w->a.index, w->a.array);
  if (!w->apart)
    watch_say (w, "/dev/nbd%d is attached to %s", w->a.index, w->a.uri);
  work (w, &usual);
  if (!w->apart && watcher_is_gone (&w->watcher) && watch_is_swap (&w->a, w->a.identifier))
    return EXIT_FAILED;
  attach_release (&w->a);
  if (!w->apart)
    watcher_end (&w->watcher);
  if (w->a.index != -1)
    watch_say (w, "/dev/nbd%d is disconnected", w->a.index);
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
  if (!is_power_of_2 (w->a.block_size))
    usage_error (command, "--block-size must be 512, 1024, 2048 or 4096");
}

int
command_watch (const struct command *command, int argc, char *argv[])
{
  static struct watching w = {
    .a = {
      .index = -1, .connections = 2, .timeout = 3, .dead_timeout = 300,
      .block_size = WATCH_BLOCK_SIZE,
    },
    .file = -1,
  };
  const char *uri = NULL, *name;
  uint64_t index = ANY_DEVICE;
  char error[256];
  const struct option_entry entries[] = {
    { .name = "uri", .argument = "URI", .string = &uri,
      .help = "the server: nbd://HOST, nbd+unix:///?socket=PATH" },
    { .name = "connections", .letter = 'C', .argument = "N",
      .number = &w.a.connections, .min = 1, .max = WATCHER_CONNECTIONS,
      .help = "how many, from 2 (2)" },
    /* Without a timeout, requests are lost with their server. */
    { .name = "timeout", .argument = "SECONDS", .number = &w.a.timeout,
      .min = 1, .max = CONF_TIMEOUT_MAX,
      .help = "until a request is sent again (3)" },
    { .name = "dead-timeout", .argument = "SECONDS",
      .number = &w.a.dead_timeout, .min = 1, .max = CONF_DEAD_TIMEOUT_MAX,
      .help = "requests wait for a server so long (300)" },
    { .name = "block-size", .argument = "BYTES", .size = &w.a.block_size,
      .min = 512, .max = WATCH_BLOCK_SIZE,
      .help = "of the device, 512 to 4096 (4096)" },
    { .name = "device", .argument = "N", .number = &index,
      .max = INDEX_MAX,
      .help = "attach /dev/nbdN, not just a free one" },
    { .name = "mirror", .flag = &w.mirror,
      .help = "it is a half of a mirror, and may be given up" },
    { .name = "half-of", .argument = "NAME", .string = &w.member_of,
      .help = "... of that of NAME, which may begin without it" },
    { 0 },
  };
  int first = options_parse (command, argc, argv, entries);

  name = last_argument (command, first, argc, argv);
  check_options (command, &w, name, uri);
  if (start_barrier_pass () == -1) {
    fprintf (stderr, "nbdzram watch: %s: its supervisor: %s\n", name,
             strerror (errno));
    return EXIT_FAILED;
  }
  snprintf (w.a.name, sizeof w.a.name, "%s", name);
  snprintf (w.a.identifier, sizeof w.a.identifier, "nbdzram:%s", name);
  snprintf (w.a.uri, sizeof w.a.uri, "%s", uri);
  if (nbd_resolve (&w.address, uri, error, sizeof error) == -1
      || nbd_open (&w.nl) == -1) {
    fprintf (stderr, "nbdzram watch: %s: %s\n", name,
             w.nl.error[0] ? w.nl.error : error);
    return EXIT_FAILED;
  }
  return run (&w, index == ANY_DEVICE ? -1 : (int) index);
}
