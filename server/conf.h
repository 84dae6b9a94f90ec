/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a disk and its use as swap are set to: the file NAME.conf, and the
 * options of serve and swapon, which come after it.
 *
 * The file is "key = value" a line; "#" begins a comment.  Keys are the
 * plugin's parameters, which go to the server as they are, and those of
 * the table in conf.c.  Sizes may be expressions, as "min(ram / 2, 4G)".
 * nbdzram.conf(5) describes them.
 */

#ifndef NBDZRAM_CONF_H
#define NBDZRAM_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_REMOTES_MAX 8

struct conf {
  uint64_t size;                /* of the disk, bytes; 0: not given */
  char **parameters;            /* "key=value" for the plugin, without
                                 * size=, pool= and name= */
  size_t parameter_count;

  /* The server. */
  char *pool;                   /* path; NULL: a memfd */
  char *listen;                 /* "HOST:PORT", or a path that begins with
                                 * a slash; NULL: NAME.sock */
  uint64_t threads;             /* for each connection; 0: by processors */

  /* Its use as swap. */
  char *remotes[CONF_REMOTES_MAX]; /* URIs, instead of a local server */
  size_t remote_count;
  int priority;                 /* of the swap; -1: the kernel's choice */
  uint64_t connections;         /* from 2 */
  uint64_t timeout;             /* seconds until a request is sent again */
  uint64_t dead_timeout;        /* ... until a dead device gives up */
  int page_cluster;             /* vm.page-cluster; -1: leave it */
  int swappiness;               /* vm.swappiness; -1: leave it */
  int64_t min_free;             /* bytes; -1: leave it, -2: choose */
};

void conf_init (struct conf *c);
void conf_free (struct conf *c);

/* The path of NAME.conf, in PATH. */
void conf_path (char *path, size_t size, const char *name);

/* Read the file at PATH.  0, or -1 with a line in ERROR, which names the
 * file and the line; errno is ENOENT where there is no such file.
 */
int conf_read (struct conf *c, const char *path, char *error, size_t size);

/* One setting, as from the file.  0, or -1 with a line in ERROR. */
int conf_set (struct conf *c, const char *key, const char *value,
              char *error, size_t size);

/* What makes no sense together, or on this machine, of which RAM bytes
 * of memory are known: no size, a size beyond what can make sense.
 */
int conf_check (const struct conf *c, uint64_t ram, char *error, size_t size);

#endif /* NBDZRAM_CONF_H */
