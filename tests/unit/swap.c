/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What swap consists of: the state that swapon records, the server that it
 * dials, the content of a disk, and the programs that it runs.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#include <cmocka.h>

#include "command/base/run-program.h"
#include "command/swap/area.h"
#include "command/swap/server.h"
#include "command/swap/state.h"
#include "lib/base/util.h"
#include "tests/lib/kernel.h"

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

/* Behind the version and two numbers of pages. */
#define UUID_AT (1024 + 12)

TEST (swap_area_has_random_uuid)
{
  uint8_t uuid[16], last[16] = "";
  char path[64];
  int fd;

  snprintf (path, sizeof path, "%s/disk", kernel_root);
  fd = open (path, O_RDWR | O_CREAT, 0600);
  assert_int_equal (ftruncate (fd, 8 * MIB), 0);
  for (int i = 0; i < 16; ++i) {
    assert_int_equal (swap_make_area (path, "swap0"), 0);
    assert_int_equal (pread (fd, uuid, sizeof uuid, UUID_AT), sizeof uuid);
    assert_memory_not_equal (uuid, last, sizeof uuid);
    /* RFC 9562: version 4, variant 10 in binary. */
    assert_int_equal (uuid[6] >> 4, 4);
    assert_int_equal (uuid[8] >> 6, 2);
    memcpy (last, uuid, sizeof uuid);
  }
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
    cmocka_unit_test (state_round_trip),
    cmocka_unit_test (where_to_dial),
    cmocka_unit_test (content),
    cmocka_unit_test (swap_area_has_random_uuid),
    cmocka_unit_test (programs),
  };

  return cmocka_run_group_tests (tests, kernel_setup, kernel_teardown);
}
