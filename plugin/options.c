/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "control-path.h"
#include "device.h"
#include "options.h"
#include "util.h"

#define PAGE_SIZE_MIN 4096
#define PAGE_SIZE_MAX 65536

const char options_help[] =
  "[size=]<SIZE>  (required) Size of the disk, up to 1P.\n"
  "algorithm=<NAME>[:level=<N>]\n"
  "                          How pages are compressed (default: lz4).\n"
  "recompress=<NAME>[:level=<N>]\n"
  "                          For idle pages; up to three, each stronger.\n"
  "mem-limit=<SIZE>          Most memory to hold (default: no limit).\n"
  "page-size=<SIZE>          Unit of compression, 4K to 64K (default: 4K).\n"
  "checksum=<BOOL>           Verify every page read (default: on).\n"
  "dedup=<MODE>              Share identical pages: off (default).\n"
  "pool=<PATH>               Keep the pages in a file on tmpfs or hugetlbfs,\n"
  "                          where they outlive the server.\n"
  "name=<NAME>               What the command nbdzram calls this server\n"
  "                          (default: zram0, or the next that is free).\n"
  "control=<PATH>            The control socket, or off (default: NAME.ctl in\n"
  "                          $XDG_RUNTIME_DIR/nbdzram or /run/nbdzram).";

void
options_init (struct options *o)
{
  *o = (struct options) {
    .pool = {
      .geometry = { .page_size = PAGE_SIZE_MIN, .checksum = true },
      .algorithm = { codecs[0], codecs[0]->default_level },
    },
  };
}

void
options_free (struct options *o)
{
  free (o->pool_path);
  free (o->control_path);
  free (o->name);
  o->pool_path = o->control_path = o->name = NULL;
}

static int
set_size (struct options *o, const char *value)
{
  int64_t size = nbdkit_parse_size (value);

  if (size == -1)
    return -1;
  if (size == 0 || (uint64_t) size > DEVICE_SIZE_MAX) {
    nbdkit_error ("size=%s: a disk has from 1 byte to 1 PiB", value);
    return -1;
  }
  o->size = (uint64_t) size;
  return 0;
}

static int
set_page_size (struct options *o, const char *value)
{
  int64_t size = nbdkit_parse_size (value);

  if (size == -1)
    return -1;
  if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX
      || !is_power_of_2 ((uint64_t) size)) {
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
  int64_t size = nbdkit_parse_size (value);

  if (size == -1)
    return -1;
  /* Zero is not "no limit" here: it is below the minimum. */
  o->pool.mem_limit = (uint64_t) MAX (1, size);
  return 0;
}

static int
set_algorithm (struct options *o, const char *value)
{
  char error[256];

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
set_dedup (const char *value)
{
  if (strcmp (value, "off") == 0)
    return 0;
  nbdkit_error ("dedup=%s: this version knows only dedup=off", value);
  return -1;
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

int
options_set (struct options *o, const char *key, const char *value)
{
  if (strcmp (key, "size") == 0)
    return set_size (o, value);
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
    return set_dedup (value);
  if (strcmp (key, "pool") == 0)
    return set_pool (o, value);
  if (strcmp (key, "name") == 0)
    return set_name (o, value);
  if (strcmp (key, "control") == 0)
    return set_control (o, value);
  nbdkit_error ("unknown parameter '%s'", key);
  return -1;
}

int
options_check (struct options *o)
{
  uint64_t min;

  if (o->size == 0) {
    nbdkit_error ("the size of the disk is missing: nbdkit zram size=8G");
    return -1;
  }
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
