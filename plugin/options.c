/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "lib/base/util.h"
#include "lib/store/device.h"
#include "service/control-path.h"
#include "service/parse-number.h"
#include "service/parse-size.h"

#include "options.h"

#define PAGE_SIZE_MIN 4096
#define PAGE_SIZE_MAX 65536

/* Older than this all pages look alike (age.h). */
#define AGE_SECONDS_MAX (5 * 86400)

#define BACKING_TIMEOUT_DEFAULT 30
#define BACKING_TIMEOUT_MAX 3600

/* Of the index in which dedup finds pages, by default: enough for a disk
 * of which no two pages are the same.
 */
#define DEDUP_INDEX_PART 200
#define DEDUP_INDEX_MIN MIB

/* What a burst of requests takes before more is made: by default this part
 * of the disk, within bounds.
 */
#define RESERVE_PART 256
#define RESERVE_DEFAULT_MIN MIB
#define RESERVE_DEFAULT_MAX (32 * MIB)
#define RESERVE_LEAST (64 * KIB)
#define RESERVE_MOST (16 * GIB)

const char options_help[] =
  "[size=]<SIZE>             Size of the disk, up to 1P; required, unless there\n"
  "                          are exports.\n"
  "export=<NAME>[:size=<SIZE>][:quota=<SIZE>][:bandwidth=<SIZE>]\n"
  "              [:algorithm=<NAME>[:level=<N>]][:allow=<LIST>]\n"
  "                          Another disk, of this name: its size, the most\n"
  "                          memory it holds, bytes a second, how its pages\n"
  "                          are compressed, who may use it.\n"
  "exports=<PATH>|auto       A file with one of these a line; or whatever name\n"
  "                          a client asks for.\n"
  "max-exports=<N>           ... so many at most (default: 64),\n"
  "export-size=<SIZE>        ... of this size (required),\n"
  "export-quota=<SIZE>       ... with this quota (default: none).\n"
  "algorithm=<NAME>[:level=<N>][:dict=<FILE>|auto]\n"
  "                          How pages are compressed (default: lz4).\n"
  "recompress=<NAME>[:level=<N>][:dict=<FILE>|auto]\n"
  "                          For idle pages; up to three, each stronger.\n"
  "mem-limit=<SIZE>          Most memory to hold (default: no limit).\n"
  "page-size=<SIZE>          Unit of compression, 4K to 64K (default: 4K).\n"
  "checksum=<BOOL>           Verify every page read (default: on).\n"
  "dedup=<MODE>              Share identical pages: off (default), device, pool.\n"
  "dedup-index=<SIZE>        Most memory to find them by (default: size/200).\n"
  "policy=<BOOL>             Maintain pages without being told (default: on).\n"
  "recompress-age=<SECONDS>  ... recompress what is idle so long (default: 300).\n"
  "recompress-group=<BOOL>   ... with its neighbours, when four times as old\n"
  "                          (default: on).\n"
  "backing=<PATH>|<URI>      File, block device or NBD server for cold pages;\n"
  "                          given twice, a mirror of two servers.\n"
  "backing-size=<SIZE>       Most to use of it (required for a file).\n"
  "backing-timeout=<SECONDS> How long reads wait for an NBD server that is\n"
  "                          away (default: 30).\n"
  "writeback-age=<SECONDS>   ... write back what is idle so long\n"
  "                          (default: 3600).\n"
  "writeback-watermark=<PERCENT>\n"
  "                          ... or sooner, from this share of mem-limit on\n"
  "                          (default: 80); below it nothing.\n"
  "writeback-limit=<SIZE>    Most to write back in a day (default: no limit).\n"
  "maintenance-cpu=<PERCENT> ... within this share of a processor (default: 10).\n"
  "pool=<PATH>               Keep the pages in a file on tmpfs or hugetlbfs,\n"
  "                          where they outlive the server.\n"
  "name=<NAME>               What the command nbdzram calls this server\n"
  "                          (default: zram0, or the next that is free).\n"
  "control=<PATH>            The control socket, or off (default: NAME.ctl in\n"
  "                          $XDG_RUNTIME_DIR/nbdzram or /run/nbdzram).\n"
  "allow=<ADDRESS>[/<BITS>][,...]\n"
  "                          Who may connect by TCP (default: everybody).\n"
  "mlock=<BOOL>              Be fit to serve swap: locked in memory, with\n"
  "                          real-time priority (default: if nbdkit --swap).\n"
  "reserve=<SIZE>            ... with so much memory ready for pages\n"
  "                          (default: size/256, from 1M to 32M).";

void
options_init (struct options *o)
{
  *o = (struct options) {
    .pool = {
      .geometry = { .page_size = PAGE_SIZE_MIN, .checksum = true },
      .algorithm = {
        .codec = codecs[0], .level = codecs[0]->default_level,
      },
    },
    .mlock = -1,
  };
  maintainer_settings_init (&o->maintenance);
}

void
options_free (struct options *o)
{
  algorithm_free (&o->pool.algorithm);
  for (unsigned i = 0; i < RECOMPRESS_MAX; ++i)
    algorithm_free (&o->pool.recompress[i]);
  allow_free (&o->allow);
  exports_options_free (&o->exports);
  free (o->pool_path);
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i) {
    free (o->backing_paths[i]);
    o->backing_paths[i] = NULL;
  }
  free (o->control_path);
  free (o->name);
  o->pool_path = o->control_path = o->name = NULL;
}

/* The size VALUE of parameter KEY.  0, or -1 after nbdkit_error. */
static int
set_bytes (uint64_t *bytes, const char *key, const char *value)
{
  char why[PARSE_SIZE_ERROR];

  if (parse_size (value, machine_ram (), bytes, why, sizeof why) == 0)
    return 0;
  nbdkit_error ("%s: '%s' %s", key, value, why);
  return -1;
}

static int
set_disk_size (uint64_t *to, const char *key, const char *value)
{
  uint64_t size;

  if (set_bytes (&size, key, value) == -1)
    return -1;
  if (size == 0 || size > DEVICE_SIZE_MAX) {
    nbdkit_error ("%s=%s: a disk has from 1 byte to 1 PiB", key, value);
    return -1;
  }
  *to = size;
  return 0;
}

static int
set_page_size (struct options *o, const char *value)
{
  uint64_t size;

  if (set_bytes (&size, "page-size", value) == -1)
    return -1;
  if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX
      || !is_power_of_2 (size)) {
    nbdkit_error ("page-size=%s: must be a power of two from %d to %d",
                  value, PAGE_SIZE_MIN, PAGE_SIZE_MAX);
    return -1;
  }
  o->pool.geometry.page_size = (uint32_t) size;
  return 0;
}

static int
set_mem_limit (struct options *o, const char *value)
{
  if (set_bytes (&o->pool.mem_limit, "mem-limit", value) == -1)
    return -1;
  /* Zero is not "no limit" here: it is below the minimum. */
  o->pool.mem_limit = MAX (1, o->pool.mem_limit);
  return 0;
}

static int
set_algorithm (struct options *o, const char *value)
{
  char error[256];

  algorithm_free (&o->pool.algorithm);
  if (algorithm_parse (value, &o->pool.algorithm, error, sizeof error) == 0)
    return 0;
  nbdkit_error ("algorithm=%s: %s", value, error);
  return -1;
}

/* Each use of the parameter adds one. */
static int
add_recompress (struct options *o, const char *value)
{
  char error[256];

  if (o->pool.recompress_count == RECOMPRESS_MAX) {
    nbdkit_error ("recompress=%s: at most %d further algorithms", value,
                  RECOMPRESS_MAX);
    return -1;
  }
  if (algorithm_parse (value, &o->pool.recompress[o->pool.recompress_count],
                       error, sizeof error) == -1) {
    nbdkit_error ("recompress=%s: %s", value, error);
    return -1;
  }
  ++o->pool.recompress_count;
  return 0;
}

static int
set_checksum (struct options *o, const char *value)
{
  int on = nbdkit_parse_bool (value);

  if (on == -1)
    return -1;
  o->pool.geometry.checksum = on;
  return 0;
}

static int
set_dedup (struct options *o, const char *value)
{
  static const char *const modes[] = {
    [DEDUP_OFF] = "off",
    [DEDUP_DEVICE] = "device",
    [DEDUP_POOL] = "pool",
  };

  for (unsigned i = 0; i < ARRAY_SIZE (modes); ++i)
    if (strcmp (value, modes[i]) == 0) {
      o->pool.dedup = (enum dedup_mode) i;
      return 0;
    }
  nbdkit_error ("dedup=%s: must be off, device or pool", value);
  return -1;
}

static int
set_dedup_index (struct options *o, const char *value)
{
  if (set_bytes (&o->pool.dedup_limit, "dedup-index", value) == -1)
    return -1;
  if (o->pool.dedup_limit == 0) {
    nbdkit_error ("dedup-index=%s: must be more than nothing", value);
    return -1;
  }
  return 0;
}

/* ---- writeback ---- */

/* The second use of the parameter makes it a mirror. */
static int
add_backing (struct options *o, const char *value)
{
  char **path = &o->backing_paths[o->backing_paths[0] != NULL];

  if (*path) {
    nbdkit_error ("backing=%s: a mirror has two halves, and there are two "
                  "already", value);
    return -1;
  }
  if (!uri_port_valid (value)) {
    nbdkit_error ("backing=%s: the port must be from 1 to 65535", value);
    return -1;
  }
  if (!backing_is_uri (value))
    *path = nbdkit_absolute_path (value);
  else if ((*path = strdup (value)) == NULL)
    nbdkit_error ("backing: %m");
  return *path ? 0 : -1;
}

/* ---- policy ---- */

static int
set_bool (bool *flag, const char *value)
{
  int on = nbdkit_parse_bool (value);

  if (on == -1)
    return -1;
  *flag = on;
  return 0;
}

static int
set_number (uint64_t *number, const char *key, const char *value,
            uint64_t min, uint64_t max)
{
  uint64_t n;

  if (nbdkit_parse_uint64_t (key, value, &n) == -1)
    return -1;
  if (n < min || n > max) {
    nbdkit_error ("%s=%s: must be from %" PRIu64 " to %" PRIu64,
                  key, value, min, max);
    return -1;
  }
  *number = n;
  return 0;
}

/* "10" or "10%". */
static int
set_percent (unsigned *percent, const char *key, const char *value,
             uint64_t min, uint64_t max)
{
  size_t length = strlen (value);
  char number[32];
  uint64_t n;

  if (length > 0 && value[length - 1] == '%')
    length--;
  if (length >= sizeof number) {
    nbdkit_error ("%s=%s: is not a percentage", key, value);
    return -1;
  }
  memcpy (number, value, length);
  number[length] = '\0';
  if (set_number (&n, key, number, min, max) == -1)
    return -1;
  *percent = (unsigned) n;
  return 0;
}

static int
set_backing_timeout (struct options *o, const char *key, const char *value)
{
  uint64_t seconds;

  if (set_number (&seconds, key, value, 1, BACKING_TIMEOUT_MAX) == -1)
    return -1;
  o->writeback.timeout = (unsigned) seconds;
  return 0;
}

static int
set_pool (struct options *o, const char *value)
{
  free (o->pool_path);
  o->pool_path = nbdkit_absolute_path (value);
  return o->pool_path ? 0 : -1;
}

static int
set_name (struct options *o, const char *value)
{
  if (!control_name_valid (value)) {
    nbdkit_error ("name=%s: up to %d letters, digits, and '.', '_', '-' but "
                  "for the first", value, CONTROL_NAME_MAX);
    return -1;
  }
  free (o->name);
  o->control.name = o->name = strdup (value);
  if (o->name)
    return 0;
  nbdkit_error ("name: %m");
  return -1;
}

static int
set_control (struct options *o, const char *value)
{
  free (o->control_path);
  o->control.path = o->control_path = NULL;
  o->control.off = strcmp (value, "off") == 0;
  if (o->control.off)
    return 0;
  o->control.path = o->control_path = nbdkit_absolute_path (value);
  return o->control_path ? 0 : -1;
}

static int
add_allow (struct options *o, const char *value)
{
  char error[256];

  if (allow_add (&o->allow, value, error, sizeof error) == 0)
    return 0;
  nbdkit_error ("allow=%s: %s", value, error);
  return -1;
}

/* ---- hardening ---- */

static int
set_mlock (struct options *o, const char *value)
{
  o->mlock = nbdkit_parse_bool (value);
  return o->mlock == -1 ? -1 : 0;
}

static int
set_reserve (struct options *o, const char *value)
{
  if (set_bytes (&o->reserve, "reserve", value) == -1)
    return -1;
  if (o->reserve >= RESERVE_LEAST && o->reserve <= RESERVE_MOST)
    return 0;
  nbdkit_error ("reserve=%s: must be from 64K to 16G", value);
  return -1;
}

int
options_set (struct options *o, const char *key, const char *value)
{
  if (strcmp (key, "size") == 0)
    return set_disk_size (&o->size, key, value);
  if (strcmp (key, "algorithm") == 0)
    return set_algorithm (o, value);
  if (strcmp (key, "recompress") == 0)
    return add_recompress (o, value);
  if (strcmp (key, "mem-limit") == 0)
    return set_mem_limit (o, value);
  if (strcmp (key, "page-size") == 0)
    return set_page_size (o, value);
  if (strcmp (key, "checksum") == 0)
    return set_checksum (o, value);
  if (strcmp (key, "dedup") == 0)
    return set_dedup (o, value);
  if (strcmp (key, "dedup-index") == 0)
    return set_dedup_index (o, value);
  if (strcmp (key, "policy") == 0)
    return set_bool (&o->maintenance.policy.on, value);
  if (strcmp (key, "recompress-age") == 0)
    return set_number (&o->maintenance.policy.recompress_age, key, value,
                       1, AGE_SECONDS_MAX);
  if (strcmp (key, "recompress-group") == 0)
    return set_bool (&o->maintenance.policy.group, value);
  if (strcmp (key, "backing") == 0)
    return add_backing (o, value);
  if (strcmp (key, "backing-size") == 0)
    return set_bytes (&o->writeback.size, key, value);
  if (strcmp (key, "backing-timeout") == 0)
    return set_backing_timeout (o, key, value);
  if (strcmp (key, "writeback-limit") == 0)
    return set_bytes (&o->writeback.daily_limit, key, value);
  if (strcmp (key, "writeback-age") == 0)
    return set_number (&o->maintenance.policy.writeback_age, key, value,
                       1, AGE_SECONDS_MAX);
  if (strcmp (key, "writeback-watermark") == 0)
    return set_percent (&o->maintenance.policy.watermark, key, value, 0, 99);
  if (strcmp (key, "maintenance-cpu") == 0)
    return set_percent (&o->maintenance.cpu, key, value, 1, 100);
  if (strcmp (key, "pool") == 0)
    return set_pool (o, value);
  if (strcmp (key, "name") == 0)
    return set_name (o, value);
  if (strcmp (key, "control") == 0)
    return set_control (o, value);
  if (strcmp (key, "allow") == 0)
    return add_allow (o, value);
  if (strcmp (key, "export") == 0)
    return exports_option_add (&o->exports, value);
  if (strcmp (key, "exports") == 0)
    return exports_option_file (&o->exports, value);
  if (strcmp (key, "max-exports") == 0)
    return set_number (&o->exports.max, key, value, 1, POOL_DEVICES_MAX);
  if (strcmp (key, "export-size") == 0)
    return set_disk_size (&o->exports.size, key, value);
  if (strcmp (key, "export-quota") == 0)
    return set_disk_size (&o->exports.quota, key, value);
  if (strcmp (key, "mlock") == 0)
    return set_mlock (o, value);
  if (strcmp (key, "reserve") == 0)
    return set_reserve (o, value);
  nbdkit_error ("unknown parameter '%s'", key);
  return -1;
}

uint64_t
options_total_size (const struct options *o)
{
  uint64_t total = o->size;

  for (size_t i = 0; i < o->exports.count; ++i)
    total += o->exports.wanted[i].size;
  return total + (o->exports.automatic
                  ? o->exports.max * o->exports.size : 0);
}

static int
check_backing (struct options *o)
{
  if (!o->backing_paths[0]
      && (o->writeback.size || o->writeback.daily_limit
          || o->writeback.timeout)) {
    nbdkit_error ("backing-size, backing-timeout and writeback-limit say "
                  "something about backing=, which is missing");
    return -1;
  }
  for (unsigned i = 0; i < BACKING_REPLICAS; ++i)
    if (o->backing_paths[1] && !backing_is_uri (o->backing_paths[i])) {
      nbdkit_error ("backing=%s: of a mirror, both must be NBD servers",
                    o->backing_paths[i]);
      return -1;
    }
  if (o->writeback.timeout && !backing_is_uri (o->backing_paths[0])) {
    nbdkit_error ("backing-timeout says something about an NBD server, and "
                  "backing=%s is none", o->backing_paths[0]);
    return -1;
  }
  if (o->writeback.timeout == 0)
    o->writeback.timeout = BACKING_TIMEOUT_DEFAULT;
  return 0;
}

int
options_check (struct options *o)
{
  uint64_t min;

  if (o->size == 0 && !exports_are_wanted (&o->exports)) {
    nbdkit_error ("the size of the disk is missing: nbdkit zram size=8G");
    return -1;
  }
  if (exports_options_check (&o->exports) == -1)
    return -1;
  if (o->pool.dedup != DEDUP_OFF && !o->pool.geometry.checksum) {
    nbdkit_error ("dedup finds pages by their checksums: checksum=off does "
                  "not go with it");
    return -1;
  }
  if (check_backing (o) == -1)
    return -1;
  o->writeback.path = o->backing_paths[0];
  o->writeback.other_path = o->backing_paths[1];
  if (o->reserve != 0 && o->mlock == 0) {
    nbdkit_error ("reserve says something about mlock=, which is off");
    return -1;
  }
  if (o->reserve == 0)
    o->reserve = MIN (MAX (options_total_size (o) / RESERVE_PART,
                           RESERVE_DEFAULT_MIN), RESERVE_DEFAULT_MAX);
  if (o->pool.dedup_limit == 0)
    o->pool.dedup_limit = MAX (DEDUP_INDEX_MIN,
                               options_total_size (o) / DEDUP_INDEX_PART);
  if (o->pool.mem_limit == 0)
    return 0;
  min = pool_mem_limit_min (&o->pool);
  if (o->pool.mem_limit < min) {
    nbdkit_error ("mem-limit: must be at least %" PRIu64 "K with these "
                  "parameters", min / KIB);
    return -1;
  }
  return 0;
}
