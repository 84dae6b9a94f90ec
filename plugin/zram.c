/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nbdkit plugin: a thin adapter of the service (service/server.h).  The
 * callbacks for requests are in callbacks.c.
 */

#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "lib/store/devices.h"
#include "service/exports.h"
#include "service/server.h"
#include "service/server-settings.h"
#include "service/settings.h"

#include "callbacks.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct server_settings parameters;
static char help[SETTINGS_HELP_SIZE];

/* ---- parameters ---- */

static void
zram_load (void)
{
  server_settings_init (&parameters);
  settings_help (help);
}

static int
zram_config (const char *key, const char *value)
{
  char error[SERVER_SETTINGS_ERROR];

  if (server_settings_set (&parameters, key, value, error, sizeof error) == 0)
    return 0;
  nbdkit_error ("%s", error);
  return -1;
}

static int
zram_config_complete (void)
{
  char error[SERVER_SETTINGS_ERROR];

  if (server_settings_check (&parameters, error, sizeof error) == 0)
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
#ifdef HAVE_BACKING_KEY
  printf ("zram_backing_key=auto\n");
#endif
  printf ("zram_max_size=%" PRIu64 "\n", DEVICE_SIZE_MAX);
}

/* ---- the server ---- */

static void
log_text (const char *text)
{
  nbdkit_error ("%s", text);
}

static void
debug_text (const char *text)
{
  nbdkit_debug ("%s", text);
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

/* The kernel's client comes with two connections, each with nbdkit's
 * default of threads, and one more.
 */
#define WARM_THREADS (2 * (16 + 1))

static const struct exports_host host = {
  .log = log_text, .debug = debug_text, .get_peer = get_peer,
  .sleep = sleep_in_request, .disconnect = disconnect_client,
  .threads = WARM_THREADS,
};

/* Here nbdkit still shows errors, and it has not forked yet.  Nothing large
 * may be mapped before: nbdkit's --swap would lock it into memory.
 */
static int
zram_get_ready (void)
{
  return server_open (&parameters, &host);
}

static int
zram_after_fork (void)
{
  if (server_start () == -1)
    return -1;
  if (server_is_hardened ())
    callbacks_harden (parameters.pool.geometry.page_size);
  return 0;
}

static void
zram_unload (void)
{
  server_close (&parameters);
}

/* ---- connections ---- */

static int
zram_preconnect (int readonly)
{
  struct sockaddr_storage addr;
  const struct sockaddr *peer = (const struct sockaddr *) &addr;
  socklen_t len = sizeof addr;

  (void) readonly;
  if (parameters.allow.count == 0)
    return 0;
  /* A client on nbdkit's standard input has no known address. */
  if (nbdkit_peer_name ((struct sockaddr *) &addr, &len) == -1)
    return -1;
  return server_permits (peer) ? 0 : -1;
}

/* A handle is the device. */
static void *
zram_open (int readonly)
{
  (void) readonly;
  return server_attach_client (nbdkit_export_name ());
}

static void
zram_close (void *handle)
{
  server_detach_client (handle);
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

/* ---- properties of the disk ---- */

/* The preferred block size if the server states none. */
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
  uint32_t page_size = parameters.pool.geometry.page_size;

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

/* An acknowledged write is in the pool: a flush adds nothing. */
static int
zram_can_fua (void *handle)
{
  (void) handle;
  return NBDKIT_FUA_NATIVE;
}

/* nbdkit answers by itself: caching ahead gains nothing. */
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
  .cleanup           = server_stop,
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
  .pread             = on_pread,
  .pwrite            = on_pwrite,
  .zero              = on_zero,
  .trim              = on_trim,
  .flush             = on_flush,
  .extents           = on_extents,
  .errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN (plugin)
