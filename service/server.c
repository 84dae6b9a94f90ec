/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/backing/backing-error.h"
#include "lib/backing/backing.h"
#include "lib/base/os.h"
#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/stats.h"
#include "lib/store/devices.h"

#include "control.h"
#include "hardening.h"
#include "lock-keeper.h"
#include "log.h"
#include "server.h"
#include "start-barrier.h"
#include "supervised.h"

/* The device of the export without a name. */
#define DEFAULT_EXPORT ""

/* Requests at a time that need no memory to be compressed. */
#define STREAMS_READY 8

/* Threads that do not serve: maintenance, the reserve, control requests, their
 * worker, and connections to two replicas of a backing file.
 */
#define OWN_THREADS 6

static struct server_settings *parameters;
static const struct exports_host *host;
static struct pool *pool;
static struct control *control;
static struct maintainer maintainer;
static _Atomic unsigned clients; /* connected */
static bool hardened;
static struct supervised supervised;
static bool serving;             /* the pool has been started */
static pid_t lock_keeper_pid;   /* 0: not started */

/* ---- opening ---- */

/* Logs why the pool at PATH can't be opened, by errno. */
static void
log_open_error (const char *path)
{
  switch (errno) {
  case EBUSY:
    log_error ("pool=%s: another process is using this pool", path);
    break;
  case EINVAL:
    log_error ("pool=%s: this is not a pool of nbdzram, or it is damaged",
               path);
    break;
  case EPROTONOSUPPORT:
    log_error ("pool=%s: a later version of nbdzram has used this pool, "
               "and only that can; or it is damaged", path);
    break;
  case EMEDIUMTYPE:
    log_error ("pool=%s: must be a file on tmpfs or hugetlbfs", path);
    break;
  default:
    log_error ("pool%s%s: %m", path ? "=" : "", path ? path : "");
  }
}

/* Checks that an existing pool has the page size, checksums and disk that the
 * settings ask for.
 */
static int
check_geometry (const char *path)
{
  const struct pool_geometry *found = &pool->file.geometry;
  const struct pool_geometry *asked = &parameters->pool.geometry;
  uint64_t size;

  if (found->page_size != asked->page_size) {
    log_error ("pool=%s: has page-size=%" PRIu32 ", not %" PRIu32,
               path, found->page_size, asked->page_size);
    return -1;
  }
  if (found->checksum != asked->checksum) {
    log_error ("pool=%s: has checksum=%s", path,
               found->checksum ? "on" : "off");
    return -1;
  }
  if (parameters->size == 0)
    return 0;
  if (pool_find_device (pool, DEFAULT_EXPORT, &size) == -1) {
    if (errno == ENOENT)
      return 0;
    log_error ("pool=%s: the record of its disk is damaged", path);
    return -1;
  }
  if (size != parameters->size) {
    log_error ("pool=%s: holds a disk of %" PRIu64 " bytes, not %" PRIu64,
               path, size, parameters->size);
    return -1;
  }
  return 0;
}

static int
open_backing (void)
{
  struct backing_error error;
  char text[512];

  if (!parameters->backing_paths[0])
    return 0;
  parameters->writeback.log = host->log;
  /* The backing file's bookkeeping is mapped here.  Without this,
   * MCL_FUTURE would fill all of it at once.
   */
  if (os_lock_on_fault () == -1) {
    log_error ("mlockall: %m");
    return -1;
  }
  if (pool_open_writeback (pool, &parameters->writeback, &error) == 0)
    return 0;
  backing_error_text (&error, text, sizeof text);
  log_error ("%s", text);
  return -1;
}

static int
open_control (void)
{
  char error[512];

  parameters->control.log = host->log;
  /* The clients of the server before this one wait for the pages in the pool:
   * serve them even if there is no control socket.
   */
  parameters->control.late = supervised.on && !pool->file.created;
  if (control_open (&control, &parameters->control, error,
                    sizeof error) == -1) {
    log_error ("control: %s", error);
    return -1;
  }
  if (control && control_socket_path (control)[0] != '\0')
    log_debug ("this is %s, controlled at %s", control_name (control),
               control_socket_path (control));
  else
    log_debug ("no control socket%s: %s", control ? " yet" : "", error);
  return 0;
}

/* Logs why memory can't be locked, by errno. */
static void
log_lock_error (void)
{
  if (errno == ENOTSUP)
    log_error ("mlock=on: memory can't be locked: mlockall succeeds here, but "
               "VmLck in /proc/self/status shows no locked memory");
  else
    log_error ("mlock=on: memory can't be locked: %m: this needs "
               "CAP_IPC_LOCK, or ulimit -l unlimited");
}

/* Locks memory once before the fork, which drops the lock: if it fails, the
 * user sees the error here.
 */
static int
begin_hardening (void)
{
  if (supervised_init (&supervised) == -1) {
    log_error ("NBDZRAM_SUPERVISED: %m");
    return -1;
  }
  if (start_barrier_pass () == -1) {
    log_error ("the supervisor: %m");
    return -1;
  }
  hardened = parameters->mlock == 1
    || (parameters->mlock == -1 && hardening_is_asked_for ());
  if (!hardened)
    return 0;
  hardening_prepare ();
  if (hardening_lock () == -1) {
    log_lock_error ();
    return -1;
  }
  /* Otherwise this comes after the fork: nbdkit --swap fills stacks whole,
   * and the fork would copy all of it.
   */
  if (supervised.on)
    hardening_warm (host->threads + OWN_THREADS);
  return 0;
}

/* A standby server waits here until the other server releases the pool.  It
 * has done before all that it can do without the pool.
 */
static int
open_pool (void)
{
  const char *path = parameters->pool_path;

  parameters->pool.path = path;
  while ((pool = pool_open (&parameters->pool)) == NULL) {
    if (errno != EBUSY || !supervised.on) {
      log_open_error (path);
      return -1;
    }
    pool_mem_limit_min (&parameters->pool); /* allocates what codecs need */
    if (supervised_wait (&supervised, path) == -1) {
      log_error ("pool=%s: waiting for it: %m", path);
      return -1;
    }
  }
  return 0;
}

int
server_open (struct server_settings *s, const struct exports_host *h)
{
  parameters = s;
  host = h;
  log_to (h->log, h->debug);
  if (begin_hardening () == -1 || open_pool () == -1)
    return -1;
  if (pool_try_map (pool, server_settings_total_size (parameters)) == -1) {
    log_error ("no address space for disks of %" PRIu64 " bytes: %m",
               server_settings_total_size (parameters));
    return -1;
  }
  if (!pool->file.created && check_geometry (parameters->pool_path) == -1)
    return -1;
  if (open_backing () == -1)
    return -1;
  return open_control ();
}

/* ---- starting ---- */

/* Logs why the pool can't be started, by errno. */
static void
log_start_errno (void)
{
  switch (errno) {
  case ENOTSUP:
    log_error ("the pool holds pages of an algorithm that is not "
               "built in");
    break;
  case EMLINK:
    log_error ("the pool has pages of %d dictionaries, and no room for "
               "another one", POOL_DICTIONARIES);
    break;
  default:
    log_error ("mapping the pool: %m");
  }
}

static void
log_start_error (enum attach_result why)
{
  if (why == ATTACH_NO_BACKING)
    log_error ("pool=%s: some of its pages are in a backing file, and "
               "backing= is missing", parameters->pool_path);
  else if (why == ATTACH_BACKING_UNKNOWN)
    log_error ("backing=%s: %s", parameters->backing_paths[0],
               parameters->backing_paths[1]
               ? "only one replica can be reached, and it has become "
                 "smaller than what was on it"
               : "it can't be reached, and may be larger than is known");
  else
    log_start_errno ();
}

static int
lock_memory (struct refusals *refused)
{
  if (!hardened) {
    /* nbdkit may have locked its memory. */
    if (os_lock_on_fault () == -1) {
      log_error ("mlockall: %m");
      return -1;
    }
    return 0;
  }
  if (hardening_lock () == -1) {
    log_lock_error ();
    return -1;
  }
  hardening_protect (refused);
  if (!supervised.on)
    hardening_warm (host->threads + OWN_THREADS);
  return 0;
}

static int
start_pool (void)
{
  enum attach_result started = pool_start (pool);

  if (started != ATTACH_OK) {
    log_start_error (started);
    return -1;
  }
  if (parameters->size != 0
      && !device_open (pool, DEFAULT_EXPORT, parameters->size)) {
    log_error ("creating the disk: %m");
    return -1;
  }
  if (exports_open (pool, &parameters->exports, host) == -1)
    return -1;
  serving = true;
  if (pool->counters.bad_slots > 0)
    log_error ("%" PRIu64 " pages of the pool are damaged and read as "
               "errors until they are written", pool->counters.bad_slots);
  return 0;
}

/* Allocates what requests need.  An error is not fatal: requests allocate the
 * rest later.
 */
static void
make_ready (void)
{
  if (!hardened)
    return;
  if (pool_make_resident (pool, STREAMS_READY) == -1)
    log_error ("mlock=on: not all that requests need is in memory: %m");
  if (reserve_start (&pool->reserve, &pool->objects, parameters->reserve) == -1
      && errno != ENOTSUP)
    log_error ("mlock=on: there is no reserve: %m");
}

/* Makes this thread real-time.  Comes last: the threads that it makes from
 * here on inherit that, and serve.
 */
static void
end_hardening (struct refusals *refused)
{
  const pthread_t threads[] = { maintainer.thread, pool->reserve.thread };

  if (!hardened)
    return;
  if (supervised.on) {
    lock_keeper_pid = lock_keeper_start (supervised.hold);
    if (lock_keeper_pid == -1) {
      log_error ("starting the lock keeper: %m");
      lock_keeper_pid = 0;
    }
  }
  hardening_schedule (PRIORITY_SERVING, threads,
                      pool->reserve.running ? 2 : 1, refused);
  if (refused->text[0] != '\0')
    log_error ("mlock=on: the system refuses: %s", refused->text);
}

int
server_start (void)
{
  struct refusals refused = { "" };

  if (lock_memory (&refused) == -1 || start_pool () == -1)
    return -1;
  make_ready ();
  if (maintainer_start (&maintainer, pool, &parameters->maintenance) == -1) {
    log_error ("starting maintenance: %m");
    return -1;
  }
  if (control && control_start (control, pool, &maintainer, &clients) == -1) {
    log_error ("no control socket: starting its thread: %m");
    control_close (control);
    control = NULL;
  }
  end_hardening (&refused);
  /* Its threads inherit what this one has, so it starts after hardening. */
  if (pool->backing && backing_start (pool->backing) == -1) {
    log_error ("backing=%s: %m", parameters->backing_paths[0]);
    return -1;
  }
  if (supervised.on && supervised_ready (&supervised, lock_keeper_pid) == -1) {
    log_error ("telling the supervisor: %m");
    return -1;
  }
  return 0;
}

/* ---- clients ---- */

bool
server_is_hardened (void)
{
  return hardened;
}

bool
server_permits (const struct sockaddr *peer)
{
  char name[ALLOW_NAME_SIZE];

  if (parameters->allow.count == 0 || allow_permits (&parameters->allow, peer))
    return true;
  log_error ("%s may not connect: see allow=", allow_name (peer, name));
  return false;
}

/* Returns false, after an error in the log, while the disk is being reset. */
static bool
add_client (void)
{
  unsigned now = clients;

  do
    if (now >= CLIENTS_BARRED) {
      log_error ("the disk is being reset");
      return false;
    }
  while (!atomic_compare_exchange_weak (&clients, &now, now + 1));
  return true;
}

struct device *
server_attach_client (const char *name)
{
  struct device *d;

  if (!add_client ())
    return NULL;
  d = exports_use (name);
  if (!d)
    --clients;
  return d;
}

void
server_detach_client (struct device *d)
{
  exports_detach (d);
  --clients;
}

/* ---- the end ---- */

static void
debug_stats (void)
{
  struct stats st;

  pool_get_stats (pool, &st);
  for (const struct stats_field *f = stats_fields; f->name; ++f)
    log_debug ("%s=%" PRIu64, f->name, stats_value (&st, f));
}

/* Threads end before what they work on is released. */
void
server_stop (void)
{
  control_close (control);
  control = NULL;
  maintainer_stop (&maintainer);
  if (pool)
    reserve_stop (&pool->reserve);
}

void
server_close (struct server_settings *s)
{
  server_stop ();               /* if the server did not come to serving */
  if (serving)
    debug_stats ();
  /* The lock keeper shares this memory.  What is unmapped here is unmapped
   * there, too, and no longer locked.  The process ends anyway.
   */
  if (lock_keeper_pid != 0)
    return;
  pool_close (pool);
  server_settings_free (s);
}
