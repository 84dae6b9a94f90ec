/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram swapon: everything between nothing and active swap.
 *
 * Each step looks first whether it is done already, so that another run
 * goes on where one was interrupted; and a step that fails has all undone
 * that this run has done before it.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/attach/device-queue.h"
#include "command/attach/md-setup.h"
#include "command/attach/nbd-device.h"
#include "command/attach/nbd-dial.h"
#include "command/attach/nbd-netlink.h"
#include "command/base/control-client.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/proc-swaps.h"
#include "command/base/run-program.h"
#include "command/conf/conf.h"
#include "command/swap/area.h"
#include "command/swap/array.h"
#include "command/swap/check-swap.h"
#include "command/swap/remains.h"
#include "command/swap/server.h"
#include "command/swap/shutdown.h"
#include "command/swap/state.h"
#include "command/swap/sysctls.h"
#include "lib/base/util.h"

#define DIAL_MS 5000
#define SYSCTLS 3               /* that are changed */

struct swapon {
  const char *name;
  bool unit;                    /* start the server by systemd */
  struct conf conf;
  struct swap_state state;
  bool away[CONF_REMOTES_MAX];  /* remotes that can't be reached */
  struct attachment attached[CONF_REMOTES_MAX];
  unsigned attached_count;
  struct array array;           /* of them all */

  /* What this run did. */
  bool started;
  bool conf_written;            /* and there was none of a former run */
  bool new_state;               /* there was no NAME.swap */
  bool watched[CONF_REMOTES_MAX]; /* as attached */
  bool waits[CONF_REMOTES_MAX]; /* as conf.remotes: a watcher does */
  bool swapped[CONF_REMOTES_MAX]; /* as state.devices */
  const char *set[SYSCTLS];     /* keys */
  unsigned set_count;
  char error[512];
};

static volatile sig_atomic_t interrupted;

static int fail (struct swapon *s, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

static int
fail (struct swapon *s, const char *format, ...)
{
  va_list ap;

  va_start (ap, format);
  vsnprintf (s->error, sizeof s->error, format, ap);
  va_end (ap);
  return -1;
}

/* ---- nbd ---- */

static int
load_nbd (struct swapon *s)
{
  char *const argv[] = { (char *) "modprobe", (char *) "nbd", NULL };
  char why[256];

  if (nbd_is_loaded ())
    return 0;
  if (run_program (argv, why, sizeof why) == -1 || !nbd_is_loaded ())
    return fail (s, "this kernel has no nbd: %s", errno == EIO ? why
                 : "modprobe nbd did not help");
  puts ("loaded nbd");
  return 0;
}

/* ---- is it safe? ---- */

static int
check_first (struct swapon *s)
{
  return swap_check_first (s->name) ? 0 : fail (s, "no server of swap can run");
}

/* Swap that is on already is no safer when a unit's supervisor, which was
 * started again, is sent away.
 */
static bool
may_refuse (const struct swapon *s)
{
  bool any = false;

  for (unsigned k = 0; k < s->state.device_count; ++k)
    any = any || !swap_find (s->state.devices[k], NULL);
  return any && !s->conf.force;
}

/* As the kernel says of all processes, which are there by now; and before
 * the first page is swapped.
 */
static int
check_all (struct swapon *s)
{
  const struct swap_check c = {
    .name = s->name, .remote = s->conf.remote_count > 0,
    .refuse = may_refuse (s),
  };

  switch (swap_check (&c)) {
  case SWAP_REFUSED:
    return fail (s, "swap would not be safe, as something is missing; to "
                 "swap all the same: --force, or force = on in %s.conf",
                 s->name);
  case SWAP_UNKNOWN:
    return fail (s, "whether swap is safe can't be found out");
  default:
    return 0;
  }
}

/* ---- the server ---- */

/* An unreachable one is found out by us, while somebody looks, and not
 * by a watcher.
 */
static int
try_remote (struct swapon *s, const char *uri)
{
  struct nbd_address address;
  struct nbd_dial dial;

  if (nbd_resolve (&address, uri, s->error, sizeof s->error) == -1)
    return -1;
  if (nbd_dial (&dial, &address, DIAL_MS) == -1)
    return fail (s, "%s: %s", uri, dial.error);
  close (dial.result.fd);
  if (dial.result.pidfd != -1)
    close (dial.result.pidfd);
  if (s->conf.connections > 1 && !(dial.result.flags & (1 << 8)))
    return fail (s, "%s: the server allows no more than one connection",
                 uri);
  return 0;
}

/* What is on a disk may be newer on the half that is away; but what is
 * swapped is of this boot.
 */
static bool
may_begin_without (const struct swapon *s)
{
  return s->conf.mirror && !s->conf.attach_only;
}

static int
try_remotes (struct swapon *s)
{
  char watcher[sizeof s->attached[0].name];
  size_t away = 0;

  for (size_t k = 0; k < s->conf.remote_count; ++k) {
    struct attachment a;

    attach_name (watcher, sizeof watcher, s->name, k);
    if (attach_find_watched (&a, watcher)
        || try_remote (s, s->conf.remotes[k]) == 0)
      continue;
    if (!may_begin_without (s) || ++away == s->conf.remote_count)
      return -1;
    s->away[k] = true;
    printf ("%s: the mirror begins without it\n", s->error);
  }
  return 0;
}

/* The server reads what it was told here from a file, as systemd passes
 * nothing else on.
 */
static int
start_server (struct swapon *s)
{
  char path[4096];
  bool was_there;

  if (swap_server_runs (s->name)) {
    printf ("server %s runs already, as it was started\n", s->name);
    return 0;
  }
  conf_run_path (path, sizeof path, s->name);
  was_there = access (path, F_OK) == 0;
  if (conf_write (&s->conf, path, s->error, sizeof s->error) == -1)
    return -1;
  s->conf_written = !was_there;
  swap_check_forget (s->name);
  if (swap_server_start (s->name, s->unit, s->error, sizeof s->error) == -1) {
    swap_check_pass_on (s->name);
    return -1;
  }
  s->started = true;
  printf ("started %s %s\n", s->unit ? "nbdzram-swap@.service for"
          : s->conf.remote_count > 0 ? "supervisor" : "server", s->name);
  return 0;
}

/* What was done before, by a former run or by the one of the unit, which
 * systemd has waited for.
 */
static int
read_state (struct swapon *s)
{
  if (sysctls_import () == -1)
    return fail (s, "kernel.sysctls: %s", strerror (errno));
  if (swap_state_read (&s->state, s->name) == -1) {
    if (errno != ENOENT)
      return fail (s, "%s.swap: %s", s->name, strerror (errno));
    s->new_state = true;
    s->state = (struct swap_state) { .device_count = 0 };
    snprintf (s->state.name, sizeof s->state.name, "%s", s->name);
  }
  s->state.priority = s->conf.priority;
  /* It was left on at a shutdown after which the machine went on. */
  for (unsigned i = 0; i < s->state.device_count; ++i)
    shutdown_uncover (s->state.devices[i]);
  return 0;
}

/* ---- attaching ---- */

static void
print_attached (const struct attachment *a)
{
  char text[TEXT_SIZE];

  printf ("attached /dev/nbd%d (%s, %" PRIu64 " connections%s%s)\n",
          a->index, text_of_size (text, a->size), a->connections,
          strncmp (a->uri, "nbd://", 6) == 0 ? ", " : "",
          strncmp (a->uri, "nbd://", 6) == 0 ? a->uri : "");
}

static int
attach_later (struct swapon *s, size_t k)
{
  char watcher[sizeof s->attached[0].name];
  int known;

  attach_name (watcher, sizeof watcher, s->name, k);
  known = swap_server_watch_later (s->name, watcher, s->conf.remotes[k],
                                   &s->conf, s->error, sizeof s->error);
  s->waits[k] = known == 0;
  return known == -1 ? -1 : 0;
}

static int
attach_one (struct swapon *s, size_t k, const char *uri)
{
  struct attachment *a = &s->attached[s->attached_count];
  char watcher[sizeof a->name], device[NBD_DEVICE_PATH_SIZE];
  bool before;

  attach_name (watcher, sizeof watcher, s->name, k);
  if (swap_remains_detach (s->name, watcher, uri, s->error, sizeof s->error)
      == -1)
    return -1;
  before = attach_find_watched (a, watcher);
  if (swap_server_watch (s->name, watcher, uri, &s->conf, a, s->error,
                         sizeof s->error) == -1)
    return -1;
  s->watched[s->attached_count++] = !before;
  print_attached (a);
  nbd_device_path (device, a->index);
  if (!swap_state_has (&s->state, device))
    snprintf (s->state.devices[s->state.device_count++],
              sizeof s->state.devices[0], "%s", device);
  if (swap_state_write (&s->state) == -1)
    return fail (s, "%s.swap: %s", s->name, strerror (errno));
  return 0;
}

/* What keeps each watcher from its work is better said here than found in
 * a log.
 */
static int
try_netlink (struct swapon *s)
{
  struct nbd_netlink nl;

  if (nbd_open (&nl) == -1)
    return fail (s, "%s", nl.error);
  nbd_close_netlink (&nl);
  return 0;
}

static int
attach_all (struct swapon *s)
{
  char uri[1024];

  if (try_netlink (s) == -1)
    return -1;
  s->state.device_count = 0;
  if (s->conf.remote_count == 0)
    return swap_server_uri (uri, sizeof uri, s->name, s->error,
                            sizeof s->error) == -1
      ? -1 : attach_one (s, 0, uri);
  for (size_t k = 0; k < s->conf.remote_count; ++k)
    if ((s->away[k] ? attach_later (s, k)
         : attach_one (s, k, s->conf.remotes[k])) == -1)
      return -1;
  return 0;
}

/* ---- an array ---- */

static int
join (struct swapon *s)
{
  struct array *a = &s->array;

  if (!s->conf.mirror && !s->conf.stripe)
    return 0;
  *a = (struct array) { .title = s->name, .mirror = s->conf.mirror };
  for (unsigned k = 0; k < s->attached_count; ++k)
    a->index[a->count++] = s->attached[k].index;
  a->missing = (unsigned) s->conf.remote_count - a->count;
  if (array_join (a, s->error, sizeof s->error) == -1)
    return -1;
  s->state.device_count = 1;
  md_device_path (s->state.devices[0], a->name);
  if (swap_state_write (&s->state) == -1)
    return fail (s, "%s.swap: %s", s->name, strerror (errno));
  return 0;
}

/* ---- settings of the kernel ---- */

static int
change (struct swapon *s, const char *key, uint64_t value)
{
  struct sysctl_change c;
  int r = sysctl_set (s->name, key, value, &c);

  if (r == -1)
    return fail (s, "%s: %s", key, strerror (errno));
  if (r == 1)
    s->set[s->set_count++] = key;
  if (strcmp (c.old, c.new) != 0)
    printf ("%s %s -> %s\n", key, c.old, c.new);
  return 0;
}

static int
set_min_free (struct swapon *s)
{
  uint64_t now, wanted;

  if (s->conf.min_free == CONF_KEEP)
    return 0;
  if (kernel_file_number ("/proc/sys/vm/min_free_kbytes", &now) == -1)
    return fail (s, "vm.min_free_kbytes: %s", strerror (errno));
  wanted = s->conf.min_free == CONF_CHOOSE
    ? swap_min_free (s->conf.ram, now) : (uint64_t) s->conf.min_free / KIB;
  return change (s, "vm.min_free_kbytes", wanted);
}

static int
set_all (struct swapon *s)
{
  if (s->conf.page_cluster != CONF_KEEP
      && change (s, "vm.page-cluster", (uint64_t) s->conf.page_cluster) == -1)
    return -1;
  if (s->conf.swappiness != CONF_KEEP
      && change (s, "vm.swappiness", (uint64_t) s->conf.swappiness) == -1)
    return -1;
  return set_min_free (s);
}

static int
set_read_ahead (struct swapon *s)
{
  for (unsigned k = 0; k < s->state.device_count; ++k)
    queue_read_no_further (s->state.devices[k] + strlen ("/dev/"));
  return 0;
}

/* ---- swap ---- */

static int
make_area (struct swapon *s, const char *device)
{
  char why[256];
  size_t page;

  switch (swap_content (device, &page)) {
  case SWAP_SIGNATURE:
    return 0;
  case SWAP_OTHER_PAGES:
    return fail (s, "%s is swap of a machine with pages of %zuK, and this "
                 "one has pages of %ldK; if nobody needs it: wipefs -a %s",
                 device, page / 1024, sysconf (_SC_PAGESIZE) / 1024, device);
  case SWAP_EMPTY:
    if (swap_make (device, s->name, why, sizeof why) == 0)
      return 0;
    return fail (s, "%s: %s", device, why);
  case SWAP_OTHER:
    return fail (s, "%s holds something that is no swap; if nobody needs "
                 "it: wipefs -a %s", device, device);
  default:
    return fail (s, "%s: %s", device, strerror (errno));
  }
}

static int
swap_one (struct swapon *s, unsigned k)
{
  const char *device = s->state.devices[k];
  struct swap_area area;

  if (!swap_find (device, NULL)) {
    if (make_area (s, device) == -1)
      return -1;
    if (swap_on (device, s->conf.priority) == -1)
      return fail (s, "swapon %s: %s", device, strerror (errno));
    s->swapped[k] = true;
  }
  if (swap_find (device, &area))
    printf ("swap active on %s, priority %d\n", device, area.priority);
  return 0;
}

static int
swap_all (struct swapon *s)
{
  for (unsigned k = 0; k < s->state.device_count; ++k)
    if (swap_one (s, k) == -1)
      return -1;
  return 0;
}

/* ---- all steps, and back ---- */

static bool
is_for_swap (int (*step) (struct swapon *))
{
  return step == set_all || step == set_read_ahead || step == check_all
    || step == swap_all;
}

/* In this order: with too little memory in reserve, the first pages that
 * are swapped may be the last.
 */
static int
go_forward (struct swapon *s)
{
  int (*const steps[]) (struct swapon *) = {
    check_first, load_nbd, try_remotes, start_server, read_state, attach_all,
    join, set_all, set_read_ahead, check_all, swap_all,
  };

  for (size_t i = 0; i < ARRAY_SIZE (steps); ++i) {
    if (interrupted)
      return fail (s, "interrupted");
    if (is_for_swap (steps[i]) && s->conf.attach_only)
      continue;
    if (steps[i] (s) == -1)
      return -1;
    output_flush ();
  }
  return 0;
}

static void
undone (const char *what, int r, const char *why)
{
  if (r == 0)
    printf ("undone: %s\n", what);
  else
    fprintf (stderr, "nbdzram swapon: %s: %s\n", what, why);
}

/* Those that have attached nothing yet. */
static void
forget_waiting (struct swapon *s)
{
  char watcher[sizeof s->attached[0].name];

  for (size_t k = 0; k < s->conf.remote_count; ++k)
    if (s->waits[k])
      swap_server_forget (s->name, attach_name (watcher, sizeof watcher,
                                                s->name, k));
}

/* What can't be undone is for swapoff. */
static bool
is_in_use (const struct swapon *s)
{
  for (unsigned k = 0; k < s->state.device_count; ++k)
    if (swap_find (s->state.devices[k], NULL))
      return true;
  return false;
}

static void
go_back (struct swapon *s)
{
  char why[256] = "", device[NBD_DEVICE_PATH_SIZE], path[4096];

  for (unsigned k = s->state.device_count; k-- > 0; )
    if (s->swapped[k]) {
      int r = swap_off (s->state.devices[k]);

      undone (s->state.devices[k], r, strerror (errno));
    }
  if (s->array.begun && s->array.name[0] != '\0')
    undone ("array", md_stop (s->array.name, why, sizeof why), why);
  forget_waiting (s);
  for (unsigned k = s->attached_count; k-- > 0; ) {
    nbd_device_path (device, s->attached[k].index);
    if (s->watched[k])
      undone (device, swap_server_unwatch (s->name, &s->attached[k], why,
                                           sizeof why), why);
  }
  for (unsigned i = s->set_count; i-- > 0; ) {
    struct sysctl_change c;
    int r = sysctl_release (s->name, s->set[i], &c);

    undone (s->set[i], r == -1, strerror (errno));
  }
  if (s->started)
    undone ("server", swap_server_stop (s->name, s->unit, why, sizeof why),
            why);
  if (s->conf_written) {
    conf_run_path (path, sizeof path, s->name);
    unlink (path);
  }
  if (s->new_state && !is_in_use (s))
    swap_state_remove (s->name);
  /* Of a unit, whose supervisor systemd would start again and again. */
  if (!s->unit && !s->started && getenv ("MAINPID"))
    swap_server_fail (s->name);
}

static void
take_signal (int signal)
{
  (void) signal;
  interrupted = 1;
}

static int
run (struct swapon *s)
{
  struct sigaction action = { .sa_handler = take_signal };

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  if (go_forward (s) == 0)
    return EXIT_OK;
  output_flush ();
  fprintf (stderr, "nbdzram swapon: %s: %s\n", s->name, s->error);
  go_back (s);
  return EXIT_FAILED;
}

/* ---- what is asked for ---- */

/* Options that are settings, in the order of nbdzram.conf(5). */
static const char *const keys[] = {
  "size", "algorithm", "recompress", "mem-limit", "backing", "backing-size",
  "priority", "remote", "connections",
};

#define KEYS ARRAY_SIZE (keys)

/* Likewise, those that are on or off. */
static const char *const flags[] = {
  "mirror", "stripe", "attach-only", "force",
};

#define FLAGS ARRAY_SIZE (flags)

/* A file of a former run that had not come to anything is not ours. */
static void
forget_stale (const struct swapon *s)
{
  struct swap_state state;
  char path[4096];

  swap_remains_turn_off (s->name);
  conf_run_path (path, sizeof path, s->name);
  if (!swap_server_runs (s->name)
      && swap_state_read (&state, s->name) == -1 && errno == ENOENT)
    unlink (path);
}

static int
read_settings (struct swapon *s, const struct option_list values[KEYS],
               const bool on[FLAGS], char **words, int count)
{
  struct conf *c = &s->conf;
  char *error = s->error;
  const size_t size = sizeof s->error;

  forget_stale (s);
  conf_init (c);
  if (conf_load (c, s->name, error, size) == -1)
    return -1;
  for (int i = 0; i < count; ++i)
    if (conf_set_word (c, words[i], error, size) == -1)
      return -1;
  for (size_t i = 0; i < KEYS; ++i)
    for (unsigned k = 0; k < values[i].count; ++k)
      if (conf_set (c, keys[i], values[i].values[k], error, size) == -1)
        return -1;
  for (size_t i = 0; i < FLAGS; ++i)
    if (on[i] && conf_set (c, flags[i], "on", error, size) == -1)
      return -1;
  if (conf_check (c, true, error, size) == -1)
    return -1;
  if (c->remote_count > 0 || c->size > 0)
    return 0;
  snprintf (error, size, "the size is missing: swap is to the disk that has "
            "no name");
  return -1;
}

static bool
is_word (const char *argument)
{
  return strchr (argument, '=') != NULL;
}

static int
prepare (struct swapon *s, const struct option_list values[KEYS],
         const bool on[FLAGS], char **words, int count)
{
  if (geteuid () != 0)
    return fail (s, "this needs root");
  return read_settings (s, values, on, words, count) == -1 ? -1
    : read_state (s);
}

int
command_swapon (const struct command *command, int argc, char *argv[])
{
  static struct swapon s = { .name = "swap0" };
  struct option_list v[KEYS] = { { .count = 0 } };
  bool no_systemd = false, on[FLAGS] = { false };
  const struct option_entry entries[] = {
    { .name = keys[0], .argument = "SIZE", .list = &v[0],
      .help = "of the disk: 4G, or ram/2" },
    { .name = keys[1], .argument = "SPEC", .list = &v[1],
      .help = "how pages are compressed" },
    { .name = keys[2], .argument = "SPEC", .list = &v[2],
      .help = "a stronger algorithm for a second pass" },
    { .name = keys[3], .argument = "SIZE", .list = &v[3],
      .help = "the most memory that may be held" },
    { .name = keys[4], .argument = "PATH", .list = &v[4],
      .help = "for pages that are written back; two URIs: a mirror" },
    { .name = keys[5], .argument = "SIZE", .list = &v[5],
      .help = "how much of it" },
    { .name = keys[6], .letter = 'p', .argument = "N", .list = &v[6],
      .help = "of the swap, to 32767 (100)" },
    { .name = keys[7], .argument = "URI", .list = &v[7],
      .help = "a server elsewhere; may be repeated" },
    { .name = keys[8], .letter = 'C', .argument = "N", .list = &v[8],
      .help = "to the server, from 2 (2)" },
    { .name = flags[0], .flag = &on[0],
      .help = "each page on all remote servers" },
    { .name = flags[1], .flag = &on[1],
      .help = "pages on remote servers in turns, as one device" },
    { .name = flags[2], .flag = &on[2],
      .help = "attach a disk, and don't swap to it" },
    { .name = flags[3], .flag = &on[3],
      .help = "swap even where the machine may hang" },
    { .name = "no-systemd", .flag = &no_systemd,
      .help = "start the server ourselves" },
    { 0 },
  };
  int first = options_parse (command, argc, argv, entries);

  if (first < argc && !is_word (argv[first]))
    s.name = argv[first++];
  for (int i = first; i < argc; ++i)
    if (!is_word (argv[i]))
      usage_error (command, "%s is one argument too many", argv[i]);
  if (!control_name_valid (s.name))
    usage_error (command, "'%s' can't be a name", s.name);
  s.unit = !no_systemd && swap_server_has_systemd ();
  if (prepare (&s, v, on, argv + first, argc - first) == 0)
    return run (&s);
  fprintf (stderr, "nbdzram swapon: %s: %s\n", s.name, s.error);
  return EXIT_FAILED;
}
