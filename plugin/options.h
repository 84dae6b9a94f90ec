/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin's parameters, from the command line to the store. */

#ifndef NBDZRAM_PLUGIN_OPTIONS_H
#define NBDZRAM_PLUGIN_OPTIONS_H

#include <stdint.h>

#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/pool.h"
#include "service/allow.h"
#include "service/control.h"
#include "exports.h"

struct options {
  uint64_t size;                /* of the disk, bytes; 0: not given */
  char *pool_path;              /* absolute, allocated; NULL: a memfd */
  struct pool_options pool;
  struct maintainer_settings maintenance;
  char *backing_paths[BACKING_REPLICAS]; /* absolute or URIs, allocated; NULL:
                                 * none */
  struct writeback_options writeback;
  char *control_path, *name;    /* allocated; what control points to */
  struct control_options control;
  struct allow allow;           /* who may connect */
  struct exports_options exports;
  int mlock;                    /* 1, 0, or -1: as nbdkit's --swap says */
  uint64_t reserve;             /* bytes; 0: not given */
};

extern const char options_help[];

void options_init (struct options *o);
void options_free (struct options *o);

/* One parameter.  0, or -1 after nbdkit_error. */
int options_set (struct options *o, const char *key, const char *value);

/* What can only be checked when all are there.  0, or -1 after
 * nbdkit_error.
 */
int options_check (struct options *o);

/* Bytes of all disks, as far as it is known how many there will be. */
uint64_t options_total_size (const struct options *o);

#endif /* NBDZRAM_PLUGIN_OPTIONS_H */
