/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values of a server's settings (settings.h), as its parameters give
 * them.
 */

#ifndef NBDZRAM_SERVICE_SERVER_SETTINGS_H
#define NBDZRAM_SERVICE_SERVER_SETTINGS_H

#include <stdint.h>

#include "lib/maintenance/maintainer.h"
#include "lib/maintenance/writeback.h"
#include "lib/store/pool.h"
#include "allow.h"
#include "control.h"
#include "exports-options.h"

struct server_settings {
  uint64_t size;                /* of the disk, bytes; 0: not given */
  char *pool_path;              /* absolute, allocated; NULL: a memfd */
  struct pool_options pool;
  struct maintainer_settings maintenance;
  char *backing_paths[BACKING_REPLICAS]; /* absolute or URIs, allocated; NULL:
                                 * not given */
  struct writeback_options writeback;
  char *control_path, *name;    /* allocated; control points to them */
  struct control_options control;
  struct allow allow;           /* clients that may connect */
  struct exports_options exports;
  int mlock;                    /* 1, 0, or -1: not given */
  uint64_t reserve;             /* bytes; 0: not given */
  uint64_t given;               /* a bit for each row of settings that was
                                 * set to a number other than 0 */
};

/* Room for any error of these functions. */
#define SERVER_SETTINGS_ERROR 1024

void server_settings_init (struct server_settings *s);
void server_settings_free (struct server_settings *s);

/* Set one parameter.  Paths become absolute.  Returns 0, or -1 with a
 * sentence in ERROR.
 */
int server_settings_set (struct server_settings *s, const char *key,
                         const char *value, char *error, size_t size);

/* Check what depends on several parameters, and fill in the defaults that
 * do.  Returns 0, or -1 with a sentence in ERROR.
 */
int server_settings_check (struct server_settings *s, char *error,
                           size_t size);

/* The sum of the sizes of all disks in bytes, with exports=auto of as many
 * as there can be.
 */
uint64_t server_settings_total_size (const struct server_settings *s);

#endif /* NBDZRAM_SERVICE_SERVER_SETTINGS_H */
