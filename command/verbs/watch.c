/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram watch: attach /dev/nbdN to a server, and keep it attached. */

#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
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
#define INDEX_MAX 1023          /* of /dev/nbdN, as in nbd-device.c */
#define ANY_DEVICE UINT64_MAX
#define PRIORITY 3              /* above the server's threads: watcher.h */

/* ---- the main loop, and the end ---- */

/* Disconnects the device, unless that would lose data in use. */
static bool
disconnect_unused (struct watching *w)
{
  char device[NBD_DEVICE_PATH_SIZE];

  nbd_device_path (device, w->a.index);
  if (swap_find_on_disk (device, NULL)) {
    watch_log (w, "%s is in use as swap: run nbdzram swapoff %s", device,
               w->a.name);
    return false;
  }
  if (nbd_device_busy (w->a.index)) {
    watch_log (w, "%s is in use: unmount or close it first", device);
    return false;
  }
  if (!watcher_is_gone (&w->watcher)
      && nbd_disconnect (&w->nl, w->a.index) == -1) {
    watch_log (w, "%s", w->nl.error);
    return false;
  }
  return true;
}

/* If ppoll fails for lack of memory or descriptors, the pause keeps this
 * loop from taking the processor at its priority.
 */
static void
watch_device (struct watching *w, const sigset_t *unblocked)
{
  const struct timespec pause = { .tv_nsec = 100 * 1000000 };

  while (!w->detached || watch_reattach_member (w, unblocked)) {
    int ms = watcher_step (&w->watcher), file_ms = watch_maintain_record (w);
    struct timespec t;

    if (ms == -1 || ms > file_ms)
      ms = file_ms;

    if (w->mirror) {
      watch_check_member (w);
      if (ms > member_check_again_ms (&w->member))
        ms = member_check_again_ms (&w->member);
    }
    if (w->detached)
      continue;
    t = (struct timespec) { .tv_sec = ms / 1000,
                            .tv_nsec = ms % 1000 * 1000000 };
    if (watcher_is_gone (&w->watcher)) {
      watch_log (w, "another process has disconnected /dev/nbd%d", w->a.index);
      return;
    }
    if (ppoll (w->watcher.polls, w->watcher.poll_count, &t, unblocked) == -1
        && errno != EINTR)
      ppoll (NULL, 0, &pause, unblocked);
    if (watch_is_stopping () && disconnect_unused (w))
      return;
    watch_clear_stop ();
  }
}

static int
run_watcher (struct watching *w, int index)
{
  struct refusals missing;
  sigset_t unblocked;

  watch_catch_signals (&unblocked);
  if (watch_open_device (w, index) == -1)
    return EXIT_FAILED;
  if (!harden_self (HEAP, PRIORITY, &missing))
    watch_log (w, "continues without %s: the device may hang when memory is "
               "short", missing.text);
  member_init (&w->member, w->a.index, w->a.array);
  if (!w->detached)
    watch_log (w, "/dev/nbd%d is attached to %s", w->a.index, w->a.uri);
  watch_device (w, &unblocked);
  if (!w->detached && watcher_is_gone (&w->watcher)
      && watch_is_swap (&w->a, w->a.identifier))
    return EXIT_FAILED;
  attach_release (&w->a);
  if (!w->detached)
    watcher_end (&w->watcher);
  if (w->a.index != -1)
    watch_log (w, "/dev/nbd%d is disconnected", w->a.index);
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
    usage_error (command, "--uri is missing: where is the server?");
  if (strlen (uri) >= sizeof w->a.uri)
    usage_error (command, "--uri must be shorter than %zu bytes",
                 sizeof w->a.uri);
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
      .help = "number of connections to the server (2)" },
    /* Without a timeout, requests would be lost with their server. */
    { .name = "timeout", .argument = "SECONDS", .number = &w.a.timeout,
      .min = 1, .max = CONF_TIMEOUT_MAX,
      .help = "after that a request is sent again (3)" },
    { .name = "dead-timeout", .argument = "SECONDS",
      .number = &w.a.dead_timeout, .min = 1, .max = CONF_DEAD_TIMEOUT_MAX,
      .help = "requests wait so long for a server (300)" },
    { .name = "block-size", .argument = "BYTES", .size = &w.a.block_size,
      .min = 512, .max = WATCH_BLOCK_SIZE,
      .help = "block size of the device, 512 to 4096 (4096)" },
    { .name = "device", .argument = "N", .number = &index,
      .max = INDEX_MAX,
      .help = "attach /dev/nbdN instead of a free one" },
    { .name = "mirror", .flag = &w.mirror,
      .help = "member of a mirror, which goes on without it" },
    { .name = "half-of", .argument = "NAME", .string = &w.member_of,
      .help = "member of the mirror of the swap NAME" },
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
  return run_watcher (&w, index == ANY_DEVICE ? -1 : (int) index);
}
