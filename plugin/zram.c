/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nbdkit plugin: the life of the server, and what clients are told of
 * its disks; their requests are in requests.c.
 */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "lib/backing/backing.h"
#include "lib/base/os.h"
#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/stats.h"
#include "lib/store/devices.h"
#include "service/control.h"
#include "service/exports.h"
#include "service/hardening.h"
#include "service/lock-keeper.h"
#include "service/server-settings.h"
#include "service/settings.h"
#include "service/start-barrier.h"
#include "service/supervised.h"

#include "requests.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* The device that the export without a name is. */
#define DEFAULT_EXPORT ""

static struct server_settings options;
static char help[SETTINGS_HELP_SIZE];
static struct pool *pool;
static struct control *control;
static struct maintainer maintainer;
static _Atomic unsigned clients; /* connected */
static bool hardened;
static struct supervised supervised;
static bool serving;             /* the pool has been started */
static pid_t holder;            /* 0: there is none */

/* Requests at a time that need no memory to be compressed. */
#define STREAMS_READY 8

/* ---- life of the server ---- */

static void
zram_load (void)
{
  server_settings_init (&options);
  settings_help (help);
}

static int
zram_config (const char *key, const char *value)
{
  char error[SERVER_SETTINGS_ERROR];

  if (server_settings_set (&options, key, value, error, sizeof error) == 0)
    return 0;
  nbdkit_error ("%s", error);
  return -1;
}

static int
zram_config_complete (void)
{
  char error[SERVER_SETTINGS_ERROR];

  if (server_settings_check (&options, error, sizeof error) == 0)
    return 0;
  nbdkit_error ("%s", error);
  return -1;
}

static void
zram_dump_plugin (void)
{
  for (const struct codec *const *c = codecs; *c; ++c)
    printf ("zram_%s=yes\n", (*c)->name);
#ifdef HAVE_BACKING_NBD
  printf ("zram_backing=file,nbd\n");
#else
  printf ("zram_backing=file\n");
#endif
  printf ("zram_max_size=%" PRIu64 "\n", DEVICE_SIZE_MAX);
}

static void
report_open_error (const char *path)
{
  switch (errno) {
  case EBUSY:
    nbdkit_error ("pool=%s: another process is using this pool", path);
    break;
  case EINVAL:
    nbdkit_error ("pool=%s: this is not a pool of nbdzram, or it is damaged",
                  path);
    break;
  case EPROTONOSUPPORT:
    nbdkit_error ("pool=%s: a later version of nbdzram has used this pool, "
                  "and only that can; or it is damaged", path);
    break;
  case EMEDIUMTYPE:
    nbdkit_error ("pool=%s: must be a file on tmpfs or hugetlbfs", path);
    break;
  default:
    nbdkit_error ("pool%s%s: %m", path ? "=" : "", path ? path : "");
  }
}

/* A pool that was there before must be the one that was asked for. */
static int
check_geometry (const char *path)
{
  const struct pool_geometry *found = &pool->file.geometry;
  const struct pool_geometry *asked = &options.pool.geometry;
  uint64_t size;

  if (found->page_size != asked->page_size) {
    nbdkit_error ("pool=%s: has page-size=%" PRIu32 ", not %" PRIu32,
                  path, found->page_size, asked->page_size);
    return -1;
  }
  if (found->checksum != asked->checksum) {
    nbdkit_error ("pool=%s: has checksum=%s", path,
                  found->checksum ? "on" : "off");
    return -1;
  }
  if (options.size == 0)
    return 0;
  if (pool_find_device (pool, DEFAULT_EXPORT, &size) == -1) {
    if (errno == ENOENT)
      return 0;
    nbdkit_error ("pool=%s: the record of its disk is damaged", path);
    return -1;
  }
  if (size != options.size) {
    nbdkit_error ("pool=%s: holds a disk of %" PRIu64 " bytes, not %" PRIu64,
                  path, size, options.size);
    return -1;
  }
  return 0;
}

static void
log_text (const char *text)
{
  nbdkit_error ("%s", text);
}

/* False also for a client on nbdkit's standard input. */
static bool
get_peer (struct sockaddr_storage *addr)
{
  socklen_t length = sizeof *addr;

  return nbdkit_peer_name ((struct sockaddr *) addr, &length) == 0;
}

static int
sleep_in_request (unsigned nanoseconds)
{
  return nbdkit_nanosleep (0, nanoseconds);
}

static void
disconnect_client (void)
{
#if HAVE_DECL_NBDKIT_DISCONNECT
  nbdkit_disconnect (1);
#endif
}

static const struct exports_host host = {
  .log = log_text, .get_peer = get_peer, .sleep = sleep_in_request,
  .disconnect = disconnect_client,
};

static int
open_backing (void)
{
  struct backing_error error;
  char text[512];

  if (!options.backing_paths[0])
    return 0;
  options.writeback.log = log_text;
  /* Its bookkeeping is mapped here, and must not be filled at once. */
  if (os_lock_on_fault () == -1) {
    nbdkit_error ("mlockall: %m");
    return -1;
  }
  if (pool_open_writeback (pool, &options.writeback, &error) == 0)
    return 0;
  backing_error_text (&error, text, sizeof text);
  nbdkit_error ("%s", text);
  return -1;
}

static int
open_control (void)
{
  char error[512];

  options.control.log = log_text;
  /* The pool has pages of a server that ended: its clients wait. */
  options.control.late = supervised.on && !pool->file.created;
  if (control_open (&control, &options.control, error, sizeof error) == -1) {
    nbdkit_error ("control: %s", error);
    return -1;
  }
  if (control && control_socket_path (control)[0] != '\0')
    nbdkit_debug ("this is %s, controlled at %s", control_name (control),
                  control_socket_path (control));
  else
    nbdkit_debug ("no control socket%s: %s", control ? " yet" : "", error);
  return 0;
}

/* Whether memory can be locked shows here, where it can be said. */
static int
begin_hardening (void)
{
  if (supervised_init (&supervised) == -1) {
    nbdkit_error ("NBDZRAM_SUPERVISED: %m");
    return -1;
  }
  if (start_barrier_pass () == -1) {
    nbdkit_error ("the supervisor: %m");
    return -1;
  }
  hardened = options.mlock == 1
    || (options.mlock == -1 && hardening_is_asked_for ());
  if (!hardened)
    return 0;
  hardening_prepare ();
  if (hardening_lock () == -1) {
    nbdkit_error ("mlock=on: memory can't be locked: %m: this needs "
                  "CAP_IPC_LOCK, or ulimit -l unlimited");
    return -1;
  }
  /* Otherwise later: nbdkit --swap is going to fill stacks whole, and a
   * fork would copy all of it.
   */
  if (supervised.on)
    hardening_warm ();
  return 0;
}

/* A standby waits here, before it opens what the other server still has;
 * all that can be done before is done.
 */
static int
open_pool (void)
{
  const char *path = options.pool_path;

  options.pool.path = path;
  while ((pool = pool_open (&options.pool)) == NULL) {
    if (errno != EBUSY || !supervised.on) {
      report_open_error (path);
      return -1;
    }
    pool_mem_limit_min (&options.pool); /* makes all that codecs need */
    if (supervised_wait (&supervised, path) == -1) {
      nbdkit_error ("pool=%s: waiting for it: %m", path);
      return -1;
    }
  }
  return 0;
}

/* Here errors can still be seen, and nothing large is mapped yet that
 * nbdkit's --swap would lock into memory.
 */
static int
zram_get_ready (void)
{
  if (begin_hardening () == -1 || open_pool () == -1)
    return -1;
  if (pool_try_map (pool, server_settings_total_size (&options)) == -1) {
    nbdkit_error ("no address space for disks of %" PRIu64 " bytes: %m",
                  server_settings_total_size (&options));
    return -1;
  }
  if (!pool->file.created && check_geometry (options.pool_path) == -1)
    return -1;
  if (open_backing () == -1)
    return -1;
  return open_control ();
}

static void
report_start_error (void)
{
  switch (errno) {
  case ENXIO:
    nbdkit_error ("pool=%s: some of its pages are in a backing file, and "
                  "backing= is missing", options.pool_path);
    break;
  case ESTALE:
    nbdkit_error ("backing=%s: %s", options.backing_paths[0],
                  options.backing_paths[1]
                  ? "of the mirror, only a half is there, and it has become "
                    "smaller than what was on it"
                  : "it can't be reached, and may be larger than is known");
    break;
  case ENOTSUP:
    nbdkit_error ("the pool holds pages of an algorithm that is not "
                  "built in");
    break;
  case EMLINK:
    nbdkit_error ("the pool has pages of %d dictionaries, and no room for "
                  "another one", POOL_DICTIONARIES);
    break;
  default:
    nbdkit_error ("mapping the pool: %m");
  }
}

static int
lock_memory (struct refusals *refused)
{
  if ((hardened ? hardening_lock () : os_lock_on_fault ()) == -1) {
    nbdkit_error ("mlockall: %m");
    return -1;
  }
  if (!hardened)
    return 0;
  hardening_protect (refused);
  if (!supervised.on)
    hardening_warm ();
  return 0;
}

static int
start_pool (void)
{
  if (pool_start (pool) == -1) {
    report_start_error ();
    return -1;
  }
  if (options.size != 0 && !device_open (pool, DEFAULT_EXPORT, options.size)) {
    nbdkit_error ("creating the disk: %m");
    return -1;
  }
  if (exports_open (pool, &options.exports, &host) == -1)
    return -1;
  serving = true;
  if (pool->counters.bad_slots > 0)
    nbdkit_error ("%" PRIu64 " pages of the pool are damaged and read as "
                  "errors until they are written", pool->counters.bad_slots);
  return 0;
}

/* Requests do without what can't be had now: they ask for it later. */
static void
make_ready (void)
{
  if (!hardened)
    return;
  if (pool_make_resident (pool, STREAMS_READY) == -1)
    nbdkit_error ("mlock=on: not all that requests need is in memory: %m");
  if (reserve_start (&pool->reserve, &pool->objects, options.reserve) == -1
      && errno != ENOTSUP)
    nbdkit_error ("mlock=on: there is no reserve: %m");
}

/* This thread's children are the ones that serve, so it comes last. */
static void
end_hardening (struct refusals *refused)
{
  const pthread_t threads[] = { maintainer.thread, pool->reserve.thread };

  if (!hardened)
    return;
  if (supervised.on) {
    holder = lock_keeper_start (supervised.hold);
    if (holder == -1) {
      nbdkit_error ("starting the holder: %m");
      holder = 0;
    }
  }
  requests_harden (options.pool.geometry.page_size);
  hardening_schedule (threads, pool->reserve.running ? 2 : 1, refused);
  if (refused->text[0] != '\0')
    nbdkit_error ("mlock=on: the system refuses: %s", refused->text);
}

static int
zram_after_fork (void)
{
  struct refusals refused = { "" };

  if (lock_memory (&refused) == -1 || start_pool () == -1)
    return -1;
  make_ready ();
  if (maintainer_start (&maintainer, pool, &options.maintenance) == -1) {
    nbdkit_error ("starting maintenance: %m");
    return -1;
  }
  if (control && control_start (control, pool, &maintainer, &clients,
                                 &exports_control) == -1) {
    nbdkit_error ("no control socket: starting its thread: %m");
    control_close (control);
    control = NULL;
  }
  end_hardening (&refused);
  /* Threads of it are as this one is. */
  if (pool->backing && backing_start (pool->backing) == -1) {
    nbdkit_error ("backing=%s: %m", options.backing_paths[0]);
    return -1;
  }
  if (supervised.on && supervised_ready (&supervised, holder) == -1) {
    nbdkit_error ("telling the supervisor: %m");
    return -1;
  }
  return 0;
}

static void
debug_stats (void)
{
  struct stats st;

  pool_get_stats (pool, &st);
  for (const struct stats_field *f = stats_fields; f->name; ++f)
    nbdkit_debug ("%s=%" PRIu64, f->name, stats_value (&st, f));
}

/* Threads end before what they work on. */
static void
stop_threads (void)
{
  control_close (control);
  control = NULL;
  maintainer_stop (&maintainer);
  if (pool)
    reserve_stop (&pool->reserve);
}

static void
zram_unload (void)
{
  stop_threads ();              /* if the server did not come to serving */
  if (serving)
    debug_stats ();
  /* What is unmapped here is unmapped for the holder, too, and no longer
   * locked.  The process ends anyway.
   */
  if (holder != 0)
    return;
  pool_close (pool);
  server_settings_free (&options);
}

/* ---- what the disk is like ---- */

static int
zram_preconnect (int readonly)
{
  struct sockaddr_storage addr;
  const struct sockaddr *peer = (const struct sockaddr *) &addr;
  socklen_t len = sizeof addr;
  char name[ALLOW_NAME_SIZE];

  (void) readonly;
  if (options.allow.count == 0)
    return 0;
  /* Of what was handed to nbdkit as its standard input nobody knows. */
  if (nbdkit_peer_name ((struct sockaddr *) &addr, &len) == -1)
    return -1;
  if (allow_permits (&options.allow, peer))
    return 0;
  nbdkit_error ("%s may not connect: see allow=", allow_name (peer, name));
  return -1;
}

static bool
count_client (void)
{
  unsigned now = clients;

  do
    if (now >= CLIENTS_BARRED) {
      nbdkit_error ("the disk is being reset");
      return false;
    }
  while (!atomic_compare_exchange_weak (&clients, &now, now + 1));
  return true;
}

/* A handle is the device. */
static void *
zram_open (int readonly)
{
  struct device *d;

  (void) readonly;
  if (!count_client ())
    return NULL;
  d = exports_use (nbdkit_export_name ());
  if (!d)
    --clients;
  return d;
}

static void
zram_close (void *handle)
{
  exports_detach (handle);
  --clients;
}

static int
add_to_list (void *list, const char *name, const char *description)
{
  return nbdkit_add_export (list, name, description);
}

static int
zram_list_exports (int readonly, int is_tls, struct nbdkit_exports *list)
{
  (void) readonly;
  (void) is_tls;
  return exports_list (add_to_list, list);
}

static const char *
zram_default_export (int readonly, int is_tls)
{
  char name[DEVICE_NAME_MAX + 1];

  (void) readonly;
  (void) is_tls;
  exports_get_default (name);
  return nbdkit_strdup_intern (name);
}

static const char *
zram_export_description (void *handle)
{
  char text[EXPORT_DESCRIPTION_SIZE];

  exports_describe (handle, text);
  return nbdkit_strdup_intern (text);
}

static int64_t
zram_get_size (void *handle)
{
  const struct device *d = handle;

  return (int64_t) d->size;
}

/* What clients assume of a server that states no block sizes. */
#define DEFAULT_PREFERRED_BLOCK 4096

/* Nothing is stated where the protocol's defaults (1, 4096, no maximum) say
 * the same.  nbdinfo asks a server that states a minimum of 1 for extents of
 * 2^32 - 1 bytes, the one length at which nbdkit aborts when a filter answers
 * with a longer extent (CVE-2025-47711, in nbdkit before 1.42.3).  Without a
 * minimum it asks for multiples of 512.  To state a minimum of 512 is no
 * remedy: libnbd's programs would refuse to write files of odd sizes, and the
 * filter blocksize of these versions would abort.
 */
static int
zram_block_size (void *handle, uint32_t *minimum, uint32_t *preferred,
                 uint32_t *maximum)
{
  uint32_t page_size = options.pool.geometry.page_size;

  (void) handle;
  *minimum = *preferred = *maximum = 0;
  if (page_size == DEFAULT_PREFERRED_BLOCK)
    return 0;
  *minimum = 1;
  *preferred = page_size;
  *maximum = UINT32_MAX;
  return 0;
}

static int
yes (void *handle)
{
  (void) handle;
  return 1;
}

static int
no (void *handle)
{
  (void) handle;
  return 0;
}

/* What is acknowledged is in memory, and safe from a kill. */
static int
zram_can_fua (void *handle)
{
  (void) handle;
  return NBDKIT_FUA_NATIVE;
}

/* Everything is in memory: nbdkit answers without asking us. */
static int
zram_can_cache (void *handle)
{
  (void) handle;
  return NBDKIT_CACHE_NATIVE;
}

static struct nbdkit_plugin plugin = {
  .name              = "zram",
  .longname          = "nbdzram compressed RAM disk",
  .version           = PACKAGE_VERSION,
  .description       = "A disk in memory, compressed as in Linux's zram",
  .load              = zram_load,
  .unload            = zram_unload,
  .dump_plugin       = zram_dump_plugin,
  .config            = zram_config,
  .config_complete   = zram_config_complete,
  .config_help       = help, /* zram_load fills it */
  .magic_config_key  = "size",
  .get_ready         = zram_get_ready,
  .after_fork        = zram_after_fork,
  .cleanup           = stop_threads,
  .preconnect        = zram_preconnect,
  .list_exports      = zram_list_exports,
  .default_export    = zram_default_export,
  .open              = zram_open,
  .close             = zram_close,
  .export_description = zram_export_description,
  .get_size          = zram_get_size,
  .block_size        = zram_block_size,
  .is_rotational     = no,
  .can_multi_conn    = yes,
  .can_trim          = yes,
  .can_zero          = yes,
  .can_fast_zero     = yes,
  .can_fua           = zram_can_fua,
  .can_cache         = zram_can_cache,
  .pread             = request_pread,
  .pwrite            = request_pwrite,
  .zero              = request_zero,
  .trim              = request_trim,
  .flush             = request_flush,
  .extents           = request_extents,
  .errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN (plugin)
