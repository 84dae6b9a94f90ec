/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state and the settings that swapon records and the room that swapoff
 * needs, with the kernel's files in a directory of the test.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/attach/device-queue.h"
#include "command/attach/nbd-device.h"
#include "command/attach/record.h"
#include "command/base/kernel-file.h"
#include "command/base/output.h"
#include "command/base/proc-swaps.h"
#include "command/base/process.h"
#include "command/base/run-file.h"
#include "command/base/run-program.h"
#include "command/swap/area.h"
#include "command/swap/check.h"
#include "command/swap/room.h"
#include "command/swap/server.h"
#include "command/swap/state.h"
#include "command/swap/sysctls.h"
#include "lib/base/util.h"
#include "tests/lib/kernel.h"

static void
assert_file (const char *path, const char *text)
{
  char buf[256];

  assert_int_not_equal (kernel_file_read (path, buf, sizeof buf), -1);
  assert_string_equal (buf, text);
}

/* ---- room ---- */

TEST (room_by_hand)
{
  static const struct {
    uint64_t used, available, free_swap, ram, missing;
  } rows[] = {
    /* If nothing is swapped out, it always fits. */
    { 0, 0, 0, 256, 0 },
    /* The margin is 16M, or a 32nd of memory. */
    { 100, 116, 0, 256, 0 },
    { 100, 115, 0, 256, 1 },
    { 100, 131, 0, 1024, 1 },
    { 100, 132, 0, 1024, 0 },
    /* Other swap counts in full. */
    { 100, 50, 66, 256, 0 },
    { 100, 50, 65, 256, 1 },
    { 100, 0, 0, 256, 116 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i) {
    struct swap_room r = {
      .used = rows[i].used * MIB, .available = rows[i].available * MIB,
      .free_swap = rows[i].free_swap * MIB, .ram = rows[i].ram * MIB,
    };

    if (swap_room_missing (&r) != rows[i].missing * MIB)
      fail_msg ("row %zu: %ju", i, (uintmax_t) swap_room_missing (&r));
  }
}

/* Page by page, while the pool frees nothing: if nothing was missing, the
 * margin is never used.
 */
TEST (room_by_simulation)
{
  struct rng rng = { .state = unit_seed () };
  unsigned promised = 0;

  for (unsigned run = 0; run < unit_scaled (20000); ++run) {
    struct swap_room r = {
      .used = rng_below (&rng, 4 * GIB),
      .available = rng_below (&rng, 4 * GIB),
      .free_swap = rng_below (&rng, 2) * rng_below (&rng, 2 * GIB),
      .ram = 4 * GIB,
    };
    int64_t room = (int64_t) (r.available + r.free_swap);

    if (r.used == 0 || swap_room_missing (&r) != 0)
      continue;
    promised++;
    for (uint64_t step = 1; step <= 64; ++step)
      assert_true (room - (int64_t) (r.used / 64 * step)
                   >= (int64_t) swap_room_margin (&r));
  }
  assert_true (promised > 0);
}

TEST (room_of_the_machine)
{
  char devices[2][32] = { "/dev/nbd0", "/dev/nbd3" };
  struct swap_room r;
  char text[256];

  kernel_put ("/proc/meminfo",
              "MemTotal:  1048576 kB\nMemAvailable:  204800 kB\n");
  kernel_put ("/proc/swaps", "Filename Type Size Used Priority\n"
              "/dev/nbd0  partition 1048576 512000 100\n"
              "/dev/nbd3  partition 1048576 102400 100\n"
              "/swap\\040file file 204800 102400 -2\n");
  assert_int_equal (swap_room_read (&r, devices, 2), 0);
  assert_int_equal (r.used, 600 * MIB);
  assert_int_equal (r.available, 200 * MIB);
  assert_int_equal (r.free_swap, 100 * MIB);
  assert_int_equal (r.ram, GIB);
  assert_int_equal (swap_room_missing (&r), 332 * MIB);
  assert_string_equal (swap_room_text (&r, text, sizeof text),
                       "600M are swapped out, but only 200M of memory and "
                       "100M of other swap on disks are free: end programs "
                       "that use 332M, or add as much other swap; --force "
                       "tries it anyway");
  assert_true (swap_find ("/swap file", NULL));
  assert_false (swap_find ("/dev/nbd1", NULL));
}

/* Swap in the memory of this machine is no room. */
TEST (room_of_other_swap)
{
  char devices[1][32] = { "/dev/nbd0" };
  struct swap_room r;

  kernel_put ("/nbdzram/near.attach", "{\"index\": 1, \"uri\": "
              "\"nbd+unix:///?socket=/run/nbdzram/near.sock\"}");
  kernel_put ("/nbdzram/far.attach",
              "{\"index\": 2, \"uri\": \"nbd://192.0.2.7\"}");
  kernel_put ("/proc/swaps", "Filename Type Size Used Priority\n"
              "/dev/nbd0 partition 1048576 512000 100\n"
              "/dev/zram0 partition 102400 0 100\n"
              "/dev/nbd1 partition 204800 0 100\n"
              "/dev/nbd2 partition 409600 0 100\n"
              "/dev/nbd12 partition 819200 0 100\n");
  assert_int_equal (swap_room_read (&r, devices, 1), 0);
  assert_int_equal (r.used, 500 * MIB);
  assert_int_equal (r.free_swap, 1200 * MIB);
  kernel_put_none ("/nbdzram/near.attach");
  kernel_put_none ("/nbdzram/far.attach");
}

/* ---- NAME.swap ---- */

TEST (state_round_trip)
{
  struct swap_state s = {
    .name = "swap0", .devices = { "/dev/nbd0", "/dev/nbd7" },
    .device_count = 2, .priority = 100,
  }, t;

  assert_int_equal (swap_state_read (&t, "swap0"), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (swap_state_write (&s), 0);
  assert_int_equal (swap_state_read (&t, "swap0"), 0);
  assert_memory_equal (&s, &t, sizeof s);
  swap_state_add (&t, "/dev/nbd7");
  assert_int_equal (t.device_count, 2);
  swap_state_add (&t, "/dev/nbd1");
  assert_int_equal (t.device_count, 3);
  assert_string_equal (t.devices[2], "/dev/nbd1");
  kernel_put ("/nbdzram/swap0.swap", "{\"devices\":");
  assert_int_equal (swap_state_read (&t, "swap0"), -1);
  assert_int_equal (errno, EINVAL);
  swap_state_remove ("swap0");
  assert_int_equal (swap_state_read (&t, "swap0"), -1);
  assert_int_equal (errno, ENOENT);
}

/* ---- settings ---- */

#define SWAPPINESS "/proc/sys/vm/swappiness"

/* All values have three digits: unlike the kernel, a file keeps the end of a
 * longer value when a shorter one is written over it.
 */

static int
set_for (const char *name, uint64_t value)
{
  struct sysctl_change c;

  return sysctl_set (name, "vm.swappiness", value, &c);
}

static int
release_of (const char *name)
{
  struct sysctl_change c;

  return sysctl_release (name, "vm.swappiness", &c);
}

TEST (one_swap)
{
  struct sysctl_change c;
  char key[32];

  kernel_put ("/proc/sys/vm/page-cluster", "3\n");
  kernel_put (SWAPPINESS, "160\n");
  assert_int_equal (sysctl_last ("a", key, sizeof key), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (sysctl_set ("a", "vm.page-cluster", 0, &c), 1);
  assert_string_equal (c.old, "3");
  assert_string_equal (c.new, "0");
  assert_file ("/proc/sys/vm/page-cluster", "0");
  assert_int_equal (sysctl_last ("a", key, sizeof key), 0);
  assert_string_equal (key, "vm.page-cluster");

  /* A setting that can't be set leaves no entry. */
  assert_int_equal (sysctl_set ("a", "vm.min_free_kbytes", 1, &c), -1);
  assert_int_equal (errno, ENOENT);
  assert_int_equal (sysctl_last ("a", key, sizeof key), 0);
  assert_string_equal (key, "vm.page-cluster");

  /* Run again with another value. */
  assert_int_equal (sysctl_set ("a", "vm.page-cluster", 1, &c), 0);
  assert_string_equal (c.old, "3");
  assert_file ("/proc/sys/vm/page-cluster", "1");
  assert_int_equal (sysctl_release ("a", "vm.page-cluster", &c),
                    SYSCTL_RESTORED);
  assert_file ("/proc/sys/vm/page-cluster", "3");
  assert_int_equal (sysctl_release ("a", "vm.page-cluster", &c), -1);
  assert_int_equal (errno, ENOENT);

  /* The administrator's value stays, also if swapon runs in between. */
  set_for ("a", 150);
  kernel_put (SWAPPINESS, "100\n");
  assert_int_equal (release_of ("a"), SYSCTL_FOREIGN);
  assert_file (SWAPPINESS, "100");
  set_for ("a", 150);
  kernel_put (SWAPPINESS, "180\n");
  assert_int_equal (set_for ("a", 150), 0);
  assert_file (SWAPPINESS, "150");
  assert_int_equal (release_of ("a"), SYSCTL_RESTORED);
  assert_file (SWAPPINESS, "180");
}

/* Three swaps end in each order: the setting is that of the last remaining
 * change, and at the end that from before.  With KILLED, each release
 * is killed after it has set the kernel's value and before the file is
 * written, and done again.
 */
static void
ends_in_order (const char *order, const uint64_t wants[3], bool killed)
{
  bool there[3] = { true, true, true };
  char expected[SYSCTL_SIZE], names[3][2] = { "a", "b", "c" };

  kernel_put (SWAPPINESS, "160\n");
  for (int i = 0; i < 3; ++i)
    assert_int_equal (set_for (names[i], wants[i]), 1);
  for (; *order; ++order) {
    int i = *order - '0';

    there[i] = false;
    snprintf (expected, sizeof expected, "160");
    for (int k = 0; k < 3; ++k)
      if (there[k])
        snprintf (expected, sizeof expected, "%" PRIu64, wants[k]);
    if (killed)
      kernel_put (SWAPPINESS, expected);
    assert_int_not_equal (release_of (names[i]), -1);
    assert_file (SWAPPINESS, expected);
  }
}

TEST (several_swaps)
{
  static const char *const orders[] = {
    "012", "021", "102", "120", "201", "210",
  };
  static const uint64_t wants[][3] = {
    { 150, 150, 150 }, { 150, 100, 150 }, { 160, 150, 160 }, { 110, 120, 130 },
  };

  for (size_t i = 0; i < 6; ++i)
    for (size_t k = 0; k < 4; ++k) {
      ends_in_order (orders[i], wants[k], false);
      ends_in_order (orders[i], wants[k], true);
    }
}

/* The value that an administrator set between two swaps is restored. */
TEST (between_swaps)
{
  kernel_put (SWAPPINESS, "160\n");
  set_for ("a", 150);
  kernel_put (SWAPPINESS, "180\n");
  set_for ("b", 150);
  assert_int_equal (release_of ("a"), SYSCTL_IN_USE);
  assert_file (SWAPPINESS, "150");
  assert_int_equal (release_of ("b"), SYSCTL_RESTORED);
  assert_file (SWAPPINESS, "180");

  /* To run swapon again for a swap changes nothing for a later swap. */
  kernel_put (SWAPPINESS, "160\n");
  set_for ("a", 150);
  set_for ("b", 100);
  assert_int_equal (set_for ("a", 150), 0);
  assert_file (SWAPPINESS, "100");
  assert_int_equal (release_of ("b"), SYSCTL_RESTORED);
  assert_file (SWAPPINESS, "150");
  release_of ("a");
  assert_file (SWAPPINESS, "160");
}

TEST (of_version_0_1)
{
  struct swap_state s;
  char key[32];

  kernel_put (SWAPPINESS, "150\n");
  kernel_put ("/nbdzram/a.swap", "{\"devices\":[\"/dev/nbd3\"],\"priority\":7,"
              "\"sysctls\":{\"vm.swappiness\":{\"old\":\"160\","
              "\"new\":\"150\"}}}\n");
  set_for ("b", 150);
  assert_int_equal (release_of ("a"), SYSCTL_IN_USE);
  assert_file (SWAPPINESS, "150");
  assert_int_equal (release_of ("b"), SYSCTL_RESTORED);
  assert_file (SWAPPINESS, "160");

  /* It is imported once, and the rest of the file stays. */
  assert_int_equal (sysctl_last ("a", key, sizeof key), -1);
  assert_int_equal (swap_state_read (&s, "a"), 0);
  assert_string_equal (s.devices[0], "/dev/nbd3");
  assert_int_equal (s.priority, 7);
  run_remove ("a", "swap");
}

TEST (damaged_list)
{
  struct sysctl_change c;

  kernel_put (SWAPPINESS, "160\n");
  kernel_put ("/nbdzram/kernel.sysctls", "{\"changes\":");
  assert_int_equal (sysctl_set ("a", "vm.swappiness", 1, &c), -1);
  assert_int_equal (errno, EINVAL);
  assert_file (SWAPPINESS, "160");
  run_remove ("kernel", "sysctls");
}

/* swapon sets vm.min_free_kbytes to the value that check wants. */
static const char *
min_free_status (uint64_t ram, uint64_t min_free)
{
  static char status[16];
  char text[64];
  json_t *list = json_array (), *check;
  size_t i;

  snprintf (text, sizeof text, "MemTotal: %" PRIu64 " kB\n", ram / KIB);
  kernel_put ("/proc/meminfo", text);
  snprintf (text, sizeof text, "%" PRIu64 "\n", min_free);
  kernel_put ("/proc/sys/vm/min_free_kbytes", text);
  check_machine (list);
  status[0] = '\0';
  json_array_foreach (list, i, check)
    if (strcmp (json_text (check, "check"), "min-free") == 0)
      snprintf (status, sizeof status, "%s", json_text (check, "status"));
  json_decref (list);
  return status;
}

TEST (min_free)
{
  static const struct {
    uint64_t ram, now, wanted;
  } rows[] = {
    { 256 * MIB, 1755, 8192 }, { 512 * MIB, 2000, 8192 },
    { GIB, 4000, 16384 }, { 2 * GIB, 5000, 32768 }, { 2 * GIB, 50000, 50000 },
    { 16 * GIB, 16000, 262144 }, { 64 * GIB, 67584, 262144 },
    { 1024 * GIB, 90112, 262144 }, { 1024 * GIB, 500000, 500000 },
  };

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i)
    assert_int_equal (swap_min_free (rows[i].ram, rows[i].now),
                      rows[i].wanted);
  for (uint64_t ram = 256 * MIB; ram <= 1024 * GIB; ram *= 2)
    for (uint64_t part = 0; part < 4; ++part) {
      uint64_t total = ram + ram / 4 * part;
      uint64_t wanted = swap_min_free (total, 0);

      assert_string_equal (min_free_status (total, wanted), "ok");
      assert_string_equal (min_free_status (total, wanted - 1), "warn");
      assert_string_equal (min_free_status (total, 4095), "missing");
    }
}

/* ---- the server ---- */

/* A supervisor that replies once, with its address. */
static pid_t
play_supervisor (const char *uri)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
  char c;
  pid_t pid;

  snprintf (a.sun_path, sizeof a.sun_path, "%s/nbdzram/swap2.sup",
            kernel_root);
  unlink (a.sun_path);
  assert_int_equal (bind (fd, (struct sockaddr *) &a, sizeof a), 0);
  assert_int_equal (listen (fd, 1), 0);
  pid = fork ();
  if (pid != 0) {
    close (fd);
    return pid;
  }
  alarm (30);
  peer = accept (fd, NULL, NULL);
  do
    if (recv (peer, &c, 1, 0) <= 0)
      _exit (1);
  while (c != '\n');           /* what is left unread resets the peer */
  dprintf (peer, "{\"ok\":true,\"listen\":[%s]}\n", uri);
  _exit (0);
}

TEST (where_to_dial)
{
  static const struct {
    const char *listens, *uri;
  } rows[] = {
    { "\"nbd://0.0.0.0:10809\", \"nbd://[::]:10809\"",
      "nbd://127.0.0.1:10809" },
    { "\"nbd://[::]:10809\"", "nbd://[::1]:10809" },
    { "\"nbd://192.0.2.7:10809\"", "nbd://192.0.2.7:10809" },
    { "\"nbd+unix:///?socket=/run/50%25\"",
      "nbd+unix:///?socket=/run/50%25" },
    { "", NULL },
  };
  char uri[1024], error[256];

  for (size_t i = 0; i < ARRAY_SIZE (rows); ++i) {
    pid_t pid = play_supervisor (rows[i].listens);
    int r = swap_server_uri (uri, sizeof uri, "swap2", error, sizeof error);
    int status;

    assert_int_equal (r, rows[i].uri ? 0 : -1);
    if (rows[i].uri)
      assert_string_equal (uri, rows[i].uri);
    else
      assert_string_equal (error, "swap2: the server listens nowhere");
    assert_int_equal (waitpid (pid, &status, 0), pid);
    assert_int_equal (status, 0);
  }
  assert_int_equal (swap_server_uri (uri, sizeof uri, "swap2", error,
                                     sizeof error), -1);
}

/* ---- the queue ---- */

static void
put_queue (int index, const char *scheduler, const char *wbt,
           const char *rotational, const char *timeout,
           const char *ahead, const char *request)
{
  const char *const values[QUEUE_SETTINGS] = {
    scheduler, wbt, rotational, timeout, ahead, request,
  };
  char path[64];

  for (unsigned n = 0; n < QUEUE_SETTINGS; ++n) {
    snprintf (path, sizeof path, "/sys/block/nbd%d/queue/%s", index,
              queue_key (n));
    if (values[n])
      kernel_put (path, values[n]);
    else
      kernel_put_none (path);
  }
}

static void
assert_queue (int index, const char *scheduler, const char *wbt,
              const char *rotational, const char *timeout,
              const char *ahead, const char *request)
{
  const char *const values[QUEUE_SETTINGS] = {
    scheduler, wbt, rotational, timeout, ahead, request,
  };
  char path[64], buf[256];

  for (unsigned n = 0; n < QUEUE_SETTINGS; ++n) {
    snprintf (path, sizeof path, "/sys/block/nbd%d/queue/%s", index,
              queue_key (n));
    if (values[n])
      assert_file (path, values[n]);
    else
      assert_int_equal (kernel_file_read (path, buf, sizeof buf), -1);
  }
}

TEST (queue_there_and_back)
{
  struct device_queue q;
  char refused[128];
  uint64_t usec;

  put_queue (5, "[mq-deadline] kyber none\n", "2000\n", "1\n", "30000\n",
             "128\n", "1280\n");
  queue_remember (&q, 5, 3);
  assert_true (queue_has_throttling (5, &usec));
  assert_int_equal (usec, 2000);
  assert_true (queue_set (5, refused, sizeof refused));
  assert_queue (5, "none", "0", "0", "30000", "128", "128");
  assert_false (queue_has_throttling (5, &usec));
  queue_disable_read_ahead ("nbd5");
  assert_file ("/sys/block/nbd5/queue/read_ahead_kb", "0");
  kernel_put ("/sys/block/nbd5/queue/io_timeout", "3000\n");
  queue_restore (&q, 5, 3);
  assert_queue (5, "mq-deadline", "2000", "1", "30000", "128", "1280");

  /* A value that an administrator has set since stays. */
  queue_remember (&q, 5, 3);
  assert_true (queue_set (5, refused, sizeof refused));
  kernel_put ("/sys/block/nbd5/queue/scheduler", "[kyber] none\n");
  kernel_put ("/sys/block/nbd5/queue/io_timeout", "7000\n");
  kernel_put ("/sys/block/nbd5/queue/max_sectors_kb", "256\n");
  queue_restore (&q, 5, 3);
  assert_queue (5, "[kyber] none", "2000", "1", "7000", "128", "256");

  /* Requests that are smaller already stay so. */
  kernel_put ("/sys/block/nbd5/queue/max_sectors_kb", "64\n");
  queue_remember (&q, 5, 3);
  assert_true (queue_set (5, refused, sizeof refused));
  assert_file ("/sys/block/nbd5/queue/max_sectors_kb", "64");
  queue_restore (&q, 5, 3);
  assert_file ("/sys/block/nbd5/queue/max_sectors_kb", "64");

  /* The value that a watcher set is not restored. */
  put_queue (5, "[none] mq-deadline\n", "0\n", "0\n", "3000\n",
             "0\n", "128\n");
  queue_remember (&q, 5, 3);
  for (unsigned n = 0; n < QUEUE_SETTINGS; ++n)
    assert_string_equal (q.old[n], "");

  /* An old kernel. */
  put_queue (5, NULL, NULL, "1\n", NULL, NULL, NULL);
  queue_remember (&q, 5, 3);
  assert_true (queue_set (5, refused, sizeof refused));
  assert_queue (5, NULL, NULL, "0", NULL, NULL, NULL);
  queue_restore (&q, 5, 3);
  assert_queue (5, NULL, NULL, "1", NULL, NULL, NULL);
}

/* A watcher that was killed has restored nothing.  The next watcher of the
 * device does, and then the file of the first one has no effect.
 */
TEST (queue_of_two)
{
  struct attachment first = {
    .name = "swap5", .identifier = "nbdzram:swap5", .index = 5, .timeout = 3,
  }, found;
  struct device_queue q;
  char refused[128];
  int fd = attach_open ("swap5");

  assert_int_not_equal (fd, -1);
  put_queue (5, "[kyber] none\n", "2000\n", "0\n", "20000\n",
             "128\n", "1280\n");
  queue_remember (&first.queue, 5, 3);
  assert_int_equal (attach_write (fd, &first), 0);
  assert_true (queue_set (5, refused, sizeof refused));
  put_queue (5, "[none] kyber\n", "0\n", "0\n", "3000\n",
             "128\n", "128\n");

  assert_false (attach_find_device (&found, 5, "swap5"));
  assert_false (attach_find_device (&found, 6, NULL));
  assert_true (attach_find_device (&found, 5, "swap6"));
  queue_remember (&q, 5, 10);
  queue_inherit (&q, 5, 10, &found.queue, found.timeout);
  kernel_put ("/sys/block/nbd5/queue/io_timeout", "10000\n");
  queue_restore (&q, 5, 10);
  assert_queue (5, "kyber", "2000", "0", "20000", "128", "1280");
  attach_remove ("swap5");
  assert_queue (5, "kyber", "2000", "0", "20000", "128", "1280");
  assert_int_equal (attach_read (&found, "swap5"), -1);

  /* Without another one, its file is enough. */
  fd = attach_open ("swap5");
  assert_int_equal (attach_write (fd, &first), 0);
  put_queue (5, "[none] kyber\n", "0\n", "0\n", "3000\n",
             "128\n", "128\n");
  attach_remove ("swap5");
  assert_queue (5, "kyber", "2000", "0", "20000", "128", "1280");

  /* The queue of a device that another program has by now stays. */
  fd = attach_open ("swap5");
  assert_int_equal (attach_write (fd, &first), 0);
  put_queue (5, "[none] kyber\n", "0\n", "0\n", "3000\n",
             "128\n", "128\n");
  kernel_put ("/sys/block/nbd5/backend", "another\n");
  attach_remove ("swap5");
  assert_queue (5, "[none] kyber", "0", "0", "3000", "128", "128");
  kernel_put_none ("/sys/block/nbd5/backend");
}

/* ---- NAME.attach and the device ---- */

/* The watcher of /dev/nbd12 holds its file, FD, and is process 77. */
static bool
is_left (int fd, const char *pending)
{
  struct attachment a;
  struct stat st;
  char text[256];

  assert_int_equal (fstat (fd, &st), 0);
  snprintf (text, sizeof text,
            "1: POSIX  ADVISORY  WRITE 5 00:01:%llu 0 EOF\n"
            "2: FLOCK  ADVISORY  WRITE 77 %02x:%02x:%llu 0 EOF\n",
            (unsigned long long) st.st_ino, major (st.st_dev),
            minor (st.st_dev), (unsigned long long) st.st_ino);
  kernel_put ("/proc/locks", text);
  snprintf (text, sizeof text, "Name:\tnbdzram\nSigPnd:\t%s\n", pending);
  kernel_put ("/proc/77/status", text);
  kernel_put ("/sys/block/nbd12/backend", "nbdzram:swap0.1\n");
  kernel_put ("/sys/block/nbd12/pid", "77\n");
  return swap_server_is_orphaned ("swap0", "swap0.1", &a);
}

TEST (attachment)
{
  struct attachment a = {
    .name = "swap0.1", .identifier = "nbdzram:swap0.1",
    .uri = "nbd+unix:///?socket=/a \"b\"", .index = 12,
    .size = 17 * GIB, .connections = 2, .timeout = 3, .dead_timeout = 300,
    .reconnects = 5, .array = "md127",
    .server = 4711, .server_start = UINT64_C (1) << 40,
    .queue = { { "mq-deadline", "2000", "", "30000", "", "1280" } },
  }, b;
  int fd, status;
  pid_t pid;

  memset (&b, 0, sizeof b);
  assert_int_equal (attach_read (&b, "swap0.1"), -1);
  assert_int_equal (errno, ENOENT);
  fd = attach_open ("swap0.1");
  assert_int_not_equal (fd, -1);
  assert_int_equal (attach_read (&b, "swap0.1"), -1);
  assert_int_equal (attach_write (fd, &a), 0);
  assert_int_equal (attach_read (&b, "swap0.1"), 0);
  assert_memory_equal (&a, &b, sizeof a);

  /* A shorter record leaves nothing of a longer one. */
  strcpy (a.uri, "nbd://x");
  assert_int_equal (attach_write (fd, &a), 0);
  assert_int_equal (attach_read (&b, "swap0.1"), 0);
  assert_string_equal (b.uri, "nbd://x");

  assert_int_equal (attach_open ("swap0.1"), -1);
  assert_int_equal (errno, EBUSY);

  /* A killed watcher that waits for the device does not count. */
  assert_false (is_left (fd, "0000000000000000"));
  assert_true (is_left (fd, "0000000000000100"));

  /* The lock goes with the process, for its page stays mapped. */
  pid = fork ();
  if (pid == 0)
    _exit (attach_open ("swap0.2") == -1);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);
  assert_int_not_equal (attach_open ("swap0.2"), -1);

  assert_true (process_start_time (getpid ()) > 0);
  assert_int_equal (process_start_time (-1), 0);
}

TEST (devices)
{
  assert_int_equal (nbd_device_find ("nbdzram:swap0"), -1);
  kernel_put ("/sys/block/nbd3/backend", "nbdzram:swap0\n");
  assert_int_equal (nbd_device_find ("nbdzram:swap0"), -1);
  kernel_put ("/sys/block/nbd3/pid", "17\n");
  kernel_put ("/sys/block/nbd3/size", "2048\n");
  assert_int_equal (nbd_device_find ("nbdzram:swap0"), 3);
  assert_int_equal (nbd_device_find ("nbdzram:swap"), -1);
  assert_true (nbd_device_belongs (3, "nbdzram:swap0"));
  assert_false (nbd_device_belongs (3, "nbdzram:swap1"));
  assert_false (nbd_device_belongs (4, "nbdzram:swap0"));
  assert_true (nbd_device_foreign (3, "nbdzram:swap1"));
  assert_false (nbd_device_foreign (3, "nbdzram:swap0"));
  assert_false (nbd_device_foreign (4, "nbdzram:swap0"));
  assert_int_equal (nbd_device_size (3), MIB);
  assert_int_equal (nbd_device_size (4), 0);
  assert_int_equal (nbd_device_free (6), -1);
  put_queue (6, NULL, "2000\n", NULL, NULL, NULL, NULL);
  put_queue (3, NULL, "2000\n", NULL, NULL, NULL, NULL);
  assert_int_equal (nbd_device_free (0), 5);
  assert_int_equal (nbd_device_free (6), 6);
  assert_int_equal (nbd_device_free (7), -1);
  assert_false (nbd_is_loaded ());
  kernel_put ("/sys/module/nbd/refcnt", "0\n");
  assert_true (nbd_is_loaded ());
}

/* ---- the content of a disk ---- */

TEST (content)
{
  static const size_t pages[] = { 4096, 8192, 16384, 32768, 65536 };
  char path[64];
  size_t page;
  int fd;

  snprintf (path, sizeof path, "%s/disk", kernel_root);
  assert_int_equal (swap_content (path, &page), -1);
  fd = open (path, O_RDWR | O_CREAT, 0600);
  assert_int_equal (ftruncate (fd, 8 * MIB), 0);
  assert_int_equal (swap_content (path, &page), SWAP_EMPTY);
  /* The middle is not examined. */
  assert_int_equal (pwrite (fd, "x", 1, 4 * MIB), 1);
  assert_int_equal (swap_content (path, &page), SWAP_EMPTY);
  assert_int_equal (pwrite (fd, "x", 1, 8 * MIB - 1), 1);
  assert_int_equal (swap_content (path, &page), SWAP_OTHER);
  assert_int_equal (pwrite (fd, "", 1, 8 * MIB - 1), 1);
  assert_int_equal (pwrite (fd, "x", 1, 64 * KIB + 64), 1);
  assert_int_equal (swap_content (path, &page), SWAP_OTHER);
  assert_int_equal (pwrite (fd, "", 1, 64 * KIB + 64), 1);
  /* Swap for other page sizes; the smaller one is found first. */
  for (size_t i = ARRAY_SIZE (pages); i-- > 0; ) {
    assert_int_equal (pwrite (fd, "SWAPSPACE2", 10, (off_t) pages[i] - 10),
                      10);
    assert_int_equal (swap_content (path, &page),
                      pages[i] == (size_t) sysconf (_SC_PAGESIZE)
                      ? SWAP_SIGNATURE : SWAP_OTHER_PAGES);
    assert_int_equal (page, pages[i]);
  }
  assert_int_equal (ftruncate (fd, 0), 0);
  assert_int_equal (ftruncate (fd, 8 * MIB), 0);
  assert_int_equal (swap_make_area (path, "a-name-that-is-too-long"), 0);
  assert_int_equal (swap_content (path, &page), SWAP_SIGNATURE);
  close (fd);
}

/* ---- programs ---- */

TEST (programs)
{
  const char *const good[] = { "sh", "-c", "echo hello >&2", NULL };
  const char *const bad[] = { "sh", "-c", "echo one; echo two >&2; "
                        "printf 'th\\nr\\aee\\n' >&2; exit 3", NULL };
  const char *const mute[] = { "sh", "-c", "exit 3", NULL };
  const char *const killed[] = { "sh", "-c", "kill -9 $$", NULL };
  const char *const daemon[] = { "sh", "-c", "sleep 100 & echo $! >$0; exit 0",
                           NULL, NULL };
  const char *const none[] = { "no-such-program", NULL };
  char error[256], file[64], command[128];
  const char *with_file[5];

  assert_int_equal (run_program (good, error, sizeof error), 0);
  assert_int_equal (run_program (bad, error, sizeof error), -1);
  assert_string_equal (error, "r?ee");
  assert_int_equal (run_program (mute, error, sizeof error), -1);
  assert_string_equal (error, "sh: failed (3)");
  assert_int_equal (run_program (killed, error, sizeof error), -1);
  assert_string_equal (error, "sh: killed by signal 9");
  assert_int_equal (run_program (none, error, sizeof error), -1);
  if (!getenv ("NBDZRAM_VALGRIND"))     /* its vfork does not tell why */
    assert_int_equal (errno, ENOENT);

  /* A background process of the program is not waited for. */
  memcpy (with_file, daemon, sizeof with_file);
  snprintf (file, sizeof file, "%s/pid", kernel_root);
  with_file[3] = file;
  assert_int_equal (run_program (with_file, error, sizeof error), 0);
  snprintf (command, sizeof command, "kill $(cat %s)", file);
  assert_int_equal (system (command), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (room_by_hand),
    cmocka_unit_test (room_by_simulation),
    cmocka_unit_test (room_of_the_machine),
    cmocka_unit_test (room_of_other_swap),
    cmocka_unit_test (state_round_trip),
    cmocka_unit_test (one_swap),
    cmocka_unit_test (several_swaps),
    cmocka_unit_test (between_swaps),
    cmocka_unit_test (of_version_0_1),
    cmocka_unit_test (damaged_list),
    cmocka_unit_test (min_free),
    cmocka_unit_test (where_to_dial),
    cmocka_unit_test (queue_there_and_back),
    cmocka_unit_test (queue_of_two),
    cmocka_unit_test (attachment),
    cmocka_unit_test (devices),
    cmocka_unit_test (content),
    cmocka_unit_test (programs),
  };

  return cmocka_run_group_tests (tests, kernel_setup, kernel_teardown);
}
