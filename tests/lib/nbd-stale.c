/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backing file that gives back something else than was written there:
 * every page is as it was written last, or an error.
 *
 *   nbd-stale [-s SEED] [-n RUNS] KIND FILE POOL PLUGIN COMMAND
 *
 * KIND is file, device, nbd or pair.  FILE is where the bytes of the first two
 * are, then "=" and the path that the server is given; for the others, which
 * are played here, "-".  POOL is the pool file; PLUGIN and COMMAND are those
 * to test.
 *
 * A run is a new pool and some rounds: pages are written and written back,
 * the server may be killed, also while it writes back, and started again, and
 * the disk, or one of a pair, goes back to a snapshot, forgets some of the
 * last writes, or all for a while, swaps two blocks, or loses one.  Then all
 * pages are read.  Each run has a seed of its own, which is printed when it
 * fails.
 */

#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libnbd.h>

#include "lib/backing/internal.h"
#include "tests/fake/server.h"

#include "unit.h"

#include <cmocka.h>

#define PAGE 4096
#define PAGES 256
#define DISK (4 * MIB)
#define BLOCKS (DISK / BACKING_BLOCK)
#define ROUNDS 3
#define DISKS_MAX 2

/* Longer than anything takes that is to succeed, in seconds. */
#define LONG 200

enum fault { NONE, SNAPSHOT, LAST_WRITES, FORGETFUL, SWAP, LOSE, FAULTS };
static const char *const fault_names[] = {
  "nothing", "a snapshot", "last writes lost", "writes not done",
  "two blocks swapped", "a block lost",
};

typedef uint8_t image[BLOCKS][BACKING_BLOCK];

struct disk {
  const char *path;             /* of its bytes; NULL: it is played */
  struct fake_server *fake_server;
  const char *given;            /* what the server is given */
  image now, before, snapshot;
};

static struct {
  const char *kind, *pool, *plugin, *command;
  struct disk *disks[DISKS_MAX];
  unsigned count;
  struct rng rng;
  uint64_t seed;
  char dir[64];
  pid_t server;
  struct nbd_handle *nbd;
  uint64_t tags[PAGES];         /* of what was written last */
  unsigned random;              /* bytes of each page; 0: any number */
  unsigned round;
  enum fault fault;
  unsigned long errors, read;
} t;

static void __attribute__ ((noreturn, format (printf, 1, 2)))
die (const char *fmt, ...)
{
  va_list args;

  va_start (args, fmt);
  fprintf (stderr, "nbd-stale: SEED=%" PRIu64 ": %s, round %u, %s: ", t.seed,
           t.kind, t.round, fault_names[t.fault]);
  vfprintf (stderr, fmt, args);
  fputc ('\n', stderr);
  va_end (args);
  if (t.server > 0)
    kill (t.server, SIGKILL);
  exit (1);
}

static bool
prng (unsigned percent)
{
  return rng_below (&t.rng, 100) < percent;
}

/* ---- programs ---- */

static char *
in_dir (const char *name)
{
  static char paths[4][96];
  static unsigned n;
  char *path = paths[n++ % 4];

  snprintf (path, sizeof paths[0], "%s/%s", t.dir, name);
  return path;
}

static pid_t
run_program (const char *const argv[])
{
  posix_spawn_file_actions_t actions;
  const char *log = in_dir ("log");
  pid_t pid;

  posix_spawn_file_actions_init (&actions);
  posix_spawn_file_actions_addopen (&actions, 1, log,
                                    O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2 (&actions, 1, 2);
  if (posix_spawnp (&pid, argv[0], &actions, NULL,
                    (char *const *) (uintptr_t) argv, environ) != 0)
    die ("%s: %m", argv[0]);
  posix_spawn_file_actions_destroy (&actions);
  return pid;
}

static bool
ended_well (pid_t pid)
{
  int status;

  if (waitpid (pid, &status, 0) != pid)
    die ("waitpid: %m");
  return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

/* The command, with its control socket; NULL ends ARGS. */
static pid_t
ask (const char *verb, const char *a, const char *b)
{
  char control[128];
  const char *argv[] = {
    t.command, verb, control, a, b, NULL,
  };

  snprintf (control, sizeof control, "--control=%s", in_dir ("control"));
  return run_program (argv);
}

/* ---- the server ---- */

static bool
is_connected (const char *uri)
{
  t.nbd = nbd_create ();
  if (!t.nbd)
    die ("nbd_create: %s", nbd_get_error ());
  if (nbd_connect_uri (t.nbd, uri) == 0)
    return true;
  nbd_close (t.nbd);
  t.nbd = NULL;
  return false;
}

static void
connect_to_server (void)
{
  char uri[160];

  snprintf (uri, sizeof uri, "nbd+unix:///?socket=%s", in_dir ("socket"));
  for (unsigned i = 0; i < LONG * 100; ++i) {
    if (is_connected (uri))
      return;
    if (waitpid (t.server, NULL, WNOHANG) == t.server) {
      t.server = 0;
      die ("the server has ended: see %s", in_dir ("log"));
    }
    usleep (10000);
  }
  die ("the server does not answer");
}

static void
start_server (void)
{
  char pool[160], control[160], backing[DISKS_MAX][256];
  const char *argv[20] = {
    "nbdkit", "-f", "-U", in_dir ("socket"),
    t.plugin, "size=1M", "policy=off", pool,
    control, "backing-size=4M", "recompress=lz4hc",
  };
  unsigned n = 11, first = (unsigned) rng_below (&t.rng, t.count);

  snprintf (pool, sizeof pool, "pool=%s", t.pool);
  snprintf (control, sizeof control, "control=%s", in_dir ("control"));
  for (unsigned i = 0; i < t.count; ++i) {
    snprintf (backing[i], sizeof backing[i], "backing=%s",
              t.disks[(first + i) % t.count]->given);
    argv[n++] = backing[i];
  }
  unlink (in_dir ("socket"));
  t.server = run_program (argv);
  connect_to_server ();
}

static void
kill_server (void)
{
  kill (t.server, SIGKILL);
  waitpid (t.server, NULL, 0);
  t.server = 0;
  nbd_close (t.nbd);
  t.nbd = NULL;
}

/* ---- pages ---- */

/* Of all sizes when compressed, raw ones included; or all of one, so that an
 * object lies just where another one was.
 */
static void
fill_page (uint8_t page[PAGE], uint64_t tag)
{
  struct rng rng = { .state = tag };
  unsigned random = t.random != 0 ? t.random
    : rng_below (&rng, 4) == 0 ? PAGE
    : 64 + (unsigned) rng_below (&rng, PAGE / 2);

  memset (page, (int) (tag % 251), PAGE);
  for (unsigned i = 0; i + 8 <= random; i += 8) {
    uint64_t word = rng_next (&rng);

    memcpy (page + i, &word, sizeof word);
  }
}

static void
write_page (unsigned n)
{
  uint8_t page[PAGE];

  t.tags[n] = rng_next (&t.rng);
  fill_page (page, t.tags[n]);
  if (nbd_pwrite (t.nbd, page, PAGE, (uint64_t) n * PAGE, 0) == -1)
    die ("page %u can't be written: %s", n, nbd_get_error ());
}

static void
write_pages (unsigned percent)
{
  for (unsigned n = 0; n < PAGES; ++n)
    if (prng (percent))
      write_page (n);
}

/* Each is right or an error, which is allowed or not; it is then written. */
static void
read_pages (bool may_fail)
{
  uint8_t page[PAGE], expected[PAGE];

  for (unsigned n = 0; n < PAGES; ++n) {
    t.read++;
    if (nbd_pread (t.nbd, page, PAGE, (uint64_t) n * PAGE, 0) == -1) {
      if (!may_fail)
        die ("page %u can't be read: %s", n, nbd_get_error ());
      t.errors++;
      write_page (n);
      continue;
    }
    fill_page (expected, t.tags[n]);
    if (memcmp (page, expected, PAGE) != 0)
      die ("page %u is WRONG", n);
  }
}

/* ---- disks ---- */

static void
disk_io (struct disk *d, bool write, uint32_t block, void *buf, size_t len)
{
  off_t offset = (off_t) block * BACKING_BLOCK;
  int fd;

  if (d->fake_server && write)
    fake_server_put (d->fake_server, (uint64_t) offset, buf, len);
  else if (d->fake_server)
    fake_server_get (d->fake_server, (uint64_t) offset, buf, len);
  if (d->fake_server)
    return;
  fd = open (d->path, O_RDWR | O_CLOEXEC);
  if (fd == -1)
    die ("%s: %m", d->path);
  if (!write)
    memset (buf, 0, len);       /* the file may be shorter */
  if ((write ? pwrite (fd, buf, len, offset) : pread (fd, buf, len, offset))
      == -1)
    die ("%s: %m", d->path);
  close (fd);
}

static void
look_at_disks (size_t at)
{
  for (unsigned i = 0; i < t.count; ++i)
    disk_io (t.disks[i], false, 0, (uint8_t *) t.disks[i] + at,
             sizeof (image));
}

static void
put_block (struct disk *d, uint32_t block, const uint8_t *content)
{
  uint8_t copy[BACKING_BLOCK];

  memcpy (copy, content, sizeof copy);
  disk_io (d, true, block, copy, sizeof copy);
}

/* One of those in which something was written, but for the header. */
static uint32_t
pick_block (const struct disk *d)
{
  uint32_t block;

  for (unsigned i = 0; i < 100000; ++i) {
    block = 1 + (uint32_t) rng_below (&t.rng, BLOCKS - 1);
    if (!is_all_zero (d->now[block], BACKING_BLOCK))
      return block;
  }
  die ("nothing was written back");
}

static void
lose_last_writes (struct disk *d)
{
  unsigned percent = 1 + (unsigned) rng_below (&t.rng, 100);

  for (uint32_t i = 1; i < BLOCKS; ++i)
    if (memcmp (d->now[i], d->before[i], BACKING_BLOCK) != 0
        && prng (percent))
      put_block (d, i, d->before[i]);
}

static void
harm (struct disk *d, enum fault fault)
{
  uint32_t a, b;

  disk_io (d, false, 0, d->now, sizeof d->now);
  switch (fault) {
  case SNAPSHOT:
    for (uint32_t i = 1; i < BLOCKS; ++i)
      put_block (d, i, d->snapshot[i]);
    break;
  case LAST_WRITES:
    lose_last_writes (d);
    break;
  case SWAP:
    a = pick_block (d);
    b = pick_block (d);
    put_block (d, a, d->now[b]);
    put_block (d, b, d->now[a]);
    break;
  case LOSE:
    put_block (d, pick_block (d), (const uint8_t[BACKING_BLOCK]) { 0 });
    break;
  default:
    break;
  }
}

/* ---- a round ---- */

/* Perhaps with a kill, after which it is not known what was done. */
static void
write_back (bool killed)
{
  pid_t pid;

  if (prng (50) && !ended_well (ask ("recompress", "--group", NULL)))
    die ("no groups are made");
  look_at_disks (offsetof (struct disk, before));
  pid = ask ("writeback", "--type=all", NULL);
  if (killed) {
    usleep ((useconds_t) rng_below (&t.rng, 30000));
    kill_server ();
    ended_well (pid);
    start_server ();
  } else if (!ended_well (pid))
    die ("writeback fails");
}

static bool
is_pair_whole (void)
{
  const char *argv[] = {
    "/bin/sh", "-c",
    "test \"$(\"$0\" status -n --raw -o BACKING --control=\"$1\")\" "
    "= ok",
    t.command, in_dir ("control"), NULL,
  };

  return ended_well (run_program (argv));
}

static void
wait_for_pair (void)
{
  for (unsigned i = 0; t.count > 1 && !is_pair_whole (); ++i) {
    if (i > LONG * 10)
      die ("the pair does not become whole");
    usleep (100000);
  }
}

static void
run_round (void)
{
  struct disk *d = t.disks[rng_below (&t.rng, t.count)];
  bool both = t.count > 1 && prng (20);
  bool killed = prng (50);

  t.fault = NONE;
  wait_for_pair ();
  write_pages (prng (50) ? 100 : 60);
  if (prng (60) || t.round == 0) {
    write_back (false);
    look_at_disks (offsetof (struct disk, snapshot));
    write_pages (prng (50) ? 100 : 60);
  }
  t.fault = (enum fault) rng_below (&t.rng, FAULTS);
  if (d->fake_server && t.fault == FORGETFUL)
    d->fake_server->forgets = (unsigned) rng_below (&t.rng, 20);
  write_back (prng (30));
  /* A pair must have had the time to become whole. */
  if (t.fault != FORGETFUL)
    wait_for_pair ();
  if (killed)
    kill_server ();
  harm (d, t.fault);
  if (both && t.fault != FORGETFUL)
    harm (t.disks[d == t.disks[0]], t.fault);
  if (killed)
    start_server ();
  if (d->fake_server)
    d->fake_server->forgets = 0;
  read_pages (t.fault != NONE && (t.count == 1 || both));
}

static void
begin_run (uint64_t seed)
{
  t.seed = t.rng.state = seed;
  t.random = prng (30) ? 0 : 8 * (8 + (unsigned) rng_below (&t.rng, 400));
  unlink (t.pool);
  for (unsigned i = 0; i < t.count; ++i) {
    struct disk *d = t.disks[i];

    if (d->fake_server)
      fake_server_fill (d->fake_server, 0, DISK, 0);
    else if (strcmp (t.kind, "file") == 0)
      unlink (d->path);
    else {
      memset (d->now, 0, sizeof d->now);
      disk_io (d, true, 0, d->now, sizeof d->now);
    }
    memset (d->snapshot, 0, sizeof d->snapshot);
  }
}

static void
run (uint64_t seed)
{
  begin_run (seed);
  start_server ();
  for (unsigned n = 0; n < PAGES; ++n)
    write_page (n);
  for (t.round = 0; t.round < ROUNDS; ++t.round)
    run_round ();
  kill_server ();
}

/* ---- all of them ---- */

static void
open_disks (const char *kind, char *file)
{
  t.count = strcmp (kind, "pair") == 0 ? 2 : 1;
  for (unsigned i = 0; i < t.count; ++i) {
    struct disk *d = calloc (1, sizeof *d);
    char *given = strchr (file, '=');

    assert_non_null (d);
    t.disks[i] = d;
    if (given) {
      *given++ = '\0';
      d->path = file;
      d->given = given;
      continue;
    }
    d->fake_server = fake_server_start (DISK);
    d->fake_server->multi_conn = true;
    d->given = d->fake_server->uri;
  }
}

static void
close_disks (void)
{
  for (unsigned i = 0; i < t.count; ++i) {
    if (t.disks[i]->fake_server)
      fake_server_stop (t.disks[i]->fake_server);
    free (t.disks[i]);
  }
}

int
main (int argc, char *argv[])
{
  uint64_t seed = 1;
  unsigned runs = 1;
  int c;

  while ((c = getopt (argc, argv, "n:s:")) != -1)
    switch (c) {
    case 'n': runs = (unsigned) strtoul (optarg, NULL, 10); break;
    case 's': seed = strtoull (optarg, NULL, 10); break;
    default: return 2;
    }
  if (argc - optind != 5)
    return 2;
  t.kind = argv[optind];
  t.pool = argv[optind + 2];
  t.plugin = argv[optind + 3];
  t.command = argv[optind + 4];
  snprintf (t.dir, sizeof t.dir, "/tmp/nbdzram-stale-XXXXXX");
  if (!mkdtemp (t.dir))
    die ("%s: %m", t.dir);
  open_disks (t.kind, argv[optind + 1]);
  for (unsigned i = 0; i < runs; ++i)
    run (seed + i);
  close_disks ();
  unlink (t.pool);
  for (unsigned i = 0; i < 3; ++i)
    unlink (in_dir (((const char *[]) { "log", "socket", "control" })[i]));
  rmdir (t.dir);
  printf ("%s: %u runs: %lu pages read, none wrong, %lu errors\n", t.kind,
          runs, t.read, t.errors);
  return t.count == 1 && runs > 4 && t.errors == 0;
}
