/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device of a swap: its queue, which is restored, the record of its
 * watcher, and which devices are free, with the kernel's files in a directory
 * of the test.
 */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/attach/device-queue.h"
#include "command/attach/nbd-device.h"
#include "command/attach/record.h"
#include "command/base/kernel-file.h"
#include "command/base/process.h"
#include "command/swap/server.h"
#include "lib/base/util.h"
#include "tests/lib/kernel.h"

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
      kernel_assert (path, values[n]);
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
  kernel_assert ("/sys/block/nbd5/queue/read_ahead_kb", "0");
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
  kernel_assert ("/sys/block/nbd5/queue/max_sectors_kb", "64");
  queue_restore (&q, 5, 3);
  kernel_assert ("/sys/block/nbd5/queue/max_sectors_kb", "64");

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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (queue_there_and_back),
    cmocka_unit_test (queue_of_two),
    cmocka_unit_test (attachment),
    cmocka_unit_test (devices),
  };

  return cmocka_run_group_tests (tests, kernel_setup, kernel_teardown);
}
