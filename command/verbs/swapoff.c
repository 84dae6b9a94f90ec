/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nbdzram swapoff: undo what swapon did. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command/attach/md-setup.h"
#include "command/attach/nbd-device.h"
#include "command/base/control-client.h"
#include "command/base/options.h"
#include "command/base/output.h"
#include "command/base/proc-swaps.h"
#include "command/base/run-file.h"
#include "command/conf/conf.h"
#include "command/swap/area.h"
#include "command/swap/remains.h"
#include "command/swap/room.h"
#include "command/swap/server.h"
#include "command/swap/shutdown.h"
#include "command/swap/state.h"
#include "command/swap/sysctls.h"
#include "lib/base/util.h"

#define TICK_MS 50
#define PROGRESS_MS 500
#define SHUTDOWN_MS 2000        /* how often to look whether it has begun */

/* At shutdown, turning swap off may take so long; to end the process that
 * does so takes another moment, or for ever, when it waits for a server that
 * can't be reached.
 */
#define SHUTDOWN_LIMIT_MS 10000
#define KILL_LIMIT_MS 2000

struct swapoff {
  const char *name;
  bool force, no_systemd;
  bool after_unit;              /* we are ExecStopPost of the unit */
  bool shutdown;                /* the machine is going down */
  bool lost;                    /* what was swapped: see command/swap/remains.h */
  struct swap_state state;
  struct attachment attached[CONF_REMOTES_MAX];
  unsigned attached_count;
  char array[MD_NAME_SIZE];     /* that has them; empty: none */
};

static volatile sig_atomic_t interrupted;

static int
fail (const struct swapoff *s, const char *what, const char *why)
{
  fprintf (stderr, "nbdzram swapoff: %s: %s%s%s\n", s->name, what,
           why ? ": " : "", why ? why : "");
  return -1;
}

/* ---- what there is ---- */

/* Devices that are attached but not noted down are ours, too: swapon
 * may have been killed between the two.
 */
static void
find_devices (struct swapoff *s)
{
  char watcher[72], device[NBD_DEVICE_PATH_SIZE];

  for (size_t k = 0; k < CONF_REMOTES_MAX; ++k) {
    struct attachment *a = &s->attached[s->attached_count];

    attach_name (watcher, sizeof watcher, s->name, k);
    if (!attach_find_watched (a, watcher))
      continue;
    s->attached_count++;
    if (md_find (s->array, a->index))
      md_device_path (device, s->array);
    else
      nbd_device_path (device, a->index);
    if (!swap_state_has (&s->state, device)
        && s->state.device_count < CONF_REMOTES_MAX)
      snprintf (s->state.devices[s->state.device_count++],
                sizeof s->state.devices[0], "%s", device);
  }
}

/* What a watcher that was killed has left.  All devices are disconnected by
 * now, also one that the kernel still shows because something has it open.
 */
static void
forget_attachments (struct swapoff *s)
{
  char watcher[72];

  for (size_t k = 0; k < CONF_REMOTES_MAX; ++k)
    attach_forget (attach_name (watcher, sizeof watcher, s->name, k));
}

static bool
find_all (struct swapoff *s)
{
  if (!swap_exists (s->name))
    return false;
  if (swap_state_read (&s->state, s->name) == -1)
    s->state = (struct swap_state) { .device_count = 0 };
  find_devices (s);
  return true;
}

/* ---- after all was killed ---- */

/* A device that no server is behind keeps each read waiting for a new one;
 * disconnected, it fails them at once.
 */
static int
disconnect_lost (struct swapoff *s)
{
  char why[256], device[NBD_DEVICE_PATH_SIZE];
  struct swap_area area;

  for (unsigned k = 0; k < s->attached_count; ++k) {
    nbd_device_path (device, s->attached[k].index);
    if (swap_find (device, &area) && area.used > 0)
      fprintf (stderr, "nbdzram swapoff: %s: what was swapped to %s is lost "
               "with its server\n", s->name, device);
    if (swap_server_unwatch (s->name, &s->attached[k], why, sizeof why)
        == -1)
      return fail (s, device, why);
    printf ("detached %s\n", device);
  }
  s->attached_count = 0;
  return 0;
}

/* What is swapped can only be read while a server runs and a watcher keeps
 * it connected, so there must be a supervisor.
 */
static int
revive (struct swapoff *s)
{
  char why[256], path[RUN_PATH_SIZE];

  s->lost = swap_is_lost (s->name);
  if (s->lost)
    return disconnect_lost (s);
  if (access (run_path (path, s->name, "run"), F_OK) == -1
      || swap_server_runs (s->name)
      || swap_server_start (s->name, false, why, sizeof why) == 0
      || swap_server_is_alive (s->name))
    return 0;
  return fail (s, why, NULL);
}

/* ---- swap ---- */

static int
check_room (struct swapoff *s)
{
  struct swap_room room;
  char text[256];

  if (swap_room_read (&room, s->state.devices, s->state.device_count) == -1)
    return fail (s, "/proc", strerror (errno));
  if (swap_room_missing (&room) == 0 || s->force)
    return 0;
  swap_room_text (&room, text, sizeof text);
  return fail (s, text, NULL);
}

static void
show_progress (const char *device, uint64_t from, bool last)
{
  struct swap_area area = { .used = 0 };
  char text[TEXT_SIZE], of[TEXT_SIZE];

  swap_find (device, &area);
  if (!isatty (STDOUT_FILENO) && !last)
    return;
  printf ("%s%s: %s of %s are back%s", isatty (STDOUT_FILENO) ? "\r" : "",
          device, text_of_size (text, from > area.used ? from - area.used
                                                       : 0),
          text_of_size (of, from), last ? "     \n" : "     ");
  output_flush ();
}

/* The system call itself, where a signal ends it: whoever waits for it
 * has other things to do.  It exits with an errno.
 */
static _Noreturn void
be_worker (const char *device)
{
  struct sigaction action = { .sa_handler = SIG_DFL };

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  _exit (swap_off (device) == 0 ? 0 : errno);
}

/* Whether to give up MS after the start; LIMIT, 0 for none yet, is when. */
static bool
is_too_late (struct swapoff *s, unsigned ms, unsigned *limit)
{
  if (*limit == 0 && ms % SHUTDOWN_MS == 0)
    s->shutdown = s->shutdown || shutdown_has_begun ();
  if (*limit == 0 && s->shutdown)
    *limit = ms + SHUTDOWN_LIMIT_MS;
  return *limit != 0 && ms >= *limit;
}

/* Wait for it and tell how far it is.  An errno. */
static int
wait_for_worker (struct swapoff *s, pid_t pid, const char *device,
                 uint64_t from)
{
  const struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
  bool killed = false;
  unsigned limit = 0;
  int status;

  for (unsigned ms = 0; waitpid (pid, &status, WNOHANG) != pid;
       ms += TICK_MS) {
    bool late = is_too_late (s, ms, &limit);

    if (interrupted || late) {
      kill (pid, SIGKILL);
      killed = true;
    }
    if (late && ms >= limit + KILL_LIMIT_MS)
      return EINTR;
    nanosleep (&tick, NULL);
    if ((ms + TICK_MS) % PROGRESS_MS == 0)
      show_progress (device, from, false);
  }
  if (WIFEXITED (status))
    return WEXITSTATUS (status);
  /* Who turns swap off is the first that the kernel kills for memory. */
  return killed ? EINTR : ENOMEM;
}

static int
turn_off (struct swapoff *s, const char *device)
{
  struct swap_area area;
  pid_t pid;
  int err;

  if (!swap_find (device, &area))
    return 0;
  output_flush ();
  pid = fork ();
  if (pid == -1)
    return fail (s, "fork", strerror (errno));
  if (pid == 0)
    be_worker (device);
  err = wait_for_worker (s, pid, device, area.used);
  show_progress (device, area.used, true);
  if (err == 0 || !swap_find (device, NULL))
    return 0;
  return fail (s, device, err == EINTR ? "interrupted; it stays in use"
               : err == ENOMEM ? "there is no room for what is swapped; it "
                 "stays in use" : strerror (err));
}

/* ---- all the rest ---- */

static int
stop_array (struct swapoff *s)
{
  char why[256], path[MD_DEVICE_PATH_SIZE];

  if (s->array[0] == '\0')
    return 0;
  if (md_stop (s->array, why, sizeof why) == -1)
    return fail (s, md_device_path (path, s->array), why);
  printf ("stopped /dev/%s\n", s->array);
  return 0;
}

static int
detach (struct swapoff *s)
{
  char why[256], device[NBD_DEVICE_PATH_SIZE];

  for (unsigned k = 0; k < s->attached_count; ++k) {
    nbd_device_path (device, s->attached[k].index);
    if (nbd_device_busy (s->attached[k].index))
      return fail (s, device, "is in use");
    if (swap_server_unwatch (s->name, &s->attached[k], why, sizeof why)
        == -1)
      return fail (s, device, why);
    printf ("detached %s\n", device);
  }
  return 0;
}

static int
stop_server (struct swapoff *s)
{
  bool unit = !s->no_systemd && swap_server_is_unit (s->name);
  bool runs = swap_server_runs (s->name);
  char why[256];

  if (s->lost) {
    swap_remains_remove (s->name);
    return 0;
  }
  if (swap_server_stop (s->name, unit, why, sizeof why) == -1)
    return fail (s, why, NULL);
  if (runs)
    printf ("stopped server %s\n", s->name);
  return 0;
}

static void
tell_released (const char *key, enum sysctl_end end,
               const struct sysctl_change *c)
{
  if (end == SYSCTL_RESTORED)
    printf ("%s %s -> %s\n", key, c->new, c->old);
  else if (end == SYSCTL_FOREIGN)
    printf ("%s was set by somebody else: it stays\n", key);
  else if (end == SYSCTL_IN_USE)
    printf ("%s stays for other swap\n", key);
}

/* A unit that was stopped has put them back itself, and forgotten them. */
static int
restore (struct swapoff *s)
{
  struct sysctl_change c;
  char key[64];

  while (sysctl_last (s->name, key, sizeof key) == 0) {
    int end = sysctl_release (s->name, key, &c);

    if (end == -1)
      return fail (s, key, strerror (errno));
    tell_released (key, (enum sysctl_end) end, &c);
  }
  return errno == ENOENT ? 0
    : fail (s, "kernel.sysctls", strerror (errno));
}

static int
turn_all_off (struct swapoff *s)
{
  for (unsigned i = 0; i < s->state.device_count; ++i)
    shutdown_uncover (s->state.devices[i]);
  if (revive (s) == -1 || (!s->lost && check_room (s) == -1))
    return -1;
  for (unsigned i = 0; i < s->state.device_count; ++i)
    if (turn_off (s, s->state.devices[i]) == -1)
      return -1;
  return 0;
}

/* Also those that a process left which was killed while it made them. */
static void
remove_files (const struct swapoff *s)
{
  static const char *const suffixes[] = {
    "conf", "conf.new", "swap.new", "swap",
  };
  for (size_t i = 0; i < ARRAY_SIZE (suffixes); ++i)
    run_remove (s->name, suffixes[i]);
}

static int
undo (struct swapoff *s)
{
  s->shutdown = shutdown_has_begun ();
  if (turn_all_off (s) == -1) {
    /* The unit covers the device when the supervisor has ended. */
    if (s->shutdown)
      printf ("swap %s stays on until the machine is off\n", s->name);
    return s->shutdown ? 0 : -1;
  }
  if (stop_array (s) == -1 || detach (s) == -1 || stop_server (s) == -1)
    return -1;
  forget_attachments (s);
  if (restore (s) == -1)
    return -1;
  remove_files (s);
  printf ("swap %s is off\n", s->name);
  return 0;
}

/* ---- after the end of the unit ---- */

static bool
is_on (const struct swapoff *s)
{
  for (unsigned i = 0; i < s->state.device_count; ++i)
    if (swap_find (s->state.devices[i], NULL))
      return true;
  return false;
}

static int
cover_all (struct swapoff *s)
{
  int r = 0;

  for (unsigned i = 0; i < s->state.device_count; ++i)
    if (shutdown_cover (s->state.devices[i]) == -1)
      r = fail (s, s->state.devices[i], strerror (errno));
  shutdown_read_command_lines ();
  return r;
}

static bool
environment_is (const char *key, const char *value)
{
  const char *is = getenv (key);

  return is && strcmp (is, value) == 0;
}

/* The swap is on, though the unit has ended: for good at shutdown; or since
 * there was no room, and then a supervisor is needed again.  One that was
 * killed is started again by systemd.
 */
static int
follow_unit (struct swapoff *s)
{
  char why[256];

  if (!is_on (s))
    return 0;
  if (shutdown_has_begun ())
    return cover_all (s);
  if (!environment_is ("EXIT_CODE", "exited")
      || !environment_is ("EXIT_STATUS", "0"))
    return 0;
  if (swap_server_unit_start (s->name, why, sizeof why) == -1)
    return fail (s, why, NULL);
  printf ("swap %s is still on: its unit is started again\n", s->name);
  return 0;
}

/* ---- the verb ---- */

static void
take_signal (int signal)
{
  (void) signal;
  interrupted = 1;
}

int
command_swapoff (const struct command *command, int argc, char *argv[])
{
  static struct swapoff s;
  const struct option_entry entries[] = {
    { .name = "force", .letter = 'f', .flag = &s.force,
      .help = "even if what is swapped may find no room" },
    { .name = "no-systemd", .flag = &s.no_systemd,
      .help = "end the server ourselves" },
    { .name = "after-unit", .flag = &s.after_unit,
      .help = "see to a swap that is on when its unit has ended" },
    { 0 },
  };
  int first = options_parse (command, argc, argv, entries);
  struct sigaction action = { .sa_handler = take_signal };

  s.name = last_argument (command, first, argc, argv) ?: "swap0";
  if (!control_name_valid (s.name))
    usage_error (command, "'%s' can't be a name", s.name);
  if (geteuid () != 0) {
    fail (&s, "this needs root", NULL);
    return EXIT_FAILED;
  }
  if (s.after_unit) {
    find_all (&s);
    return follow_unit (&s) == 0 ? EXIT_OK : EXIT_FAILED;
  }
  if (!find_all (&s)) {
    fail (&s, "there is no such swap", NULL);
    return EXIT_NO_SERVER;
  }
  setvbuf (stdout, NULL, _IOLBF, 0); /* in order with errors, in a journal */
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  return undo (&s) == 0 ? EXIT_OK : EXIT_FAILED;
}
