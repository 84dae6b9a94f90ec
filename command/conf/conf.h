/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a disk and its use as swap are set to: the file NAME.conf, and the
 * options of serve and swapon, which come after it.
 *
 * The file is "key = value" a line; "#" or ";" begins a comment, at the
 * start of a line or after a blank.  Keys are the plugin's parameters,
 * which go to the server, and those of the command itself; they are in the
 * tables in service/settings.c and in conf.c.  Sizes are read as everywhere (service/parse-size.h).
 * nbdzram.conf(5) describes them.
 *
 * Settings come in layers: a file, another one, the command line.  In a
 * layer, a key that may be given several times adds up; what a later layer
 * says of it replaces all that earlier ones said.  Other keys are replaced
 * anyway, but a file may not say the same twice.
 *
 * Errors are one line without the name of the program.
 */

#ifndef NBDZRAM_COMMAND_CONF_CONF_H
#define NBDZRAM_COMMAND_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_SUFFIX ".conf"
#define CONF_REMOTES_MAX 8

/* Of a value, in bytes: so that each fits a line that the library for such
 * files reads.
 */
#define CONF_VALUE_MAX 160

/* Of connections, of threads for each, and of seconds. */
#define CONF_CONNECTIONS_MAX 16
#define CONF_THREADS_MAX 256
#define CONF_TIMEOUT_MAX 30
#define CONF_DEAD_TIMEOUT_MAX 86400

/* Bytes. */
#define CONF_SECTOR_SIZE 512
#define CONF_BLOCK_SIZE_MAX 4096

/* Of a disk, in bytes: the store's (DEVICE_SIZE_MAX). */
#define DISK_SIZE_MAX (UINT64_C (1) << 50)

/* Room for any error of these functions, but for the path it begins with. */
#define CONF_ERROR_SIZE 512

/* Of the integers below. */
#define CONF_KEEP (-1)
#define CONF_CHOOSE (-2)

struct conf {
  uint64_t ram;                 /* what "ram" stands for, bytes: the
                                 * machine's, from conf_init */
  uint64_t size;                /* of the disk, bytes; 0: not given */
  char **parameters;            /* "key=value" for the plugin, without
                                 * size=, pool= and name=; sizes in bytes */
  size_t parameter_count;

  /* The server. */
  char *pool;                   /* path; NULL: a memfd */
  char *listen;                 /* "HOST:PORT", or a path that begins with
                                 * a slash; NULL: NAME.sock */
  char *tls_certificates;       /* directory, or */
  char *tls_psk;                /* file of keys; NULL both: no TLS */
  uint64_t threads;             /* for each connection; 0: by processors */

  /* Its use as swap. */
  char *remotes[CONF_REMOTES_MAX]; /* URIs, instead of a local server */
  size_t remote_count;
  int mirror, stripe;           /* of them: an array; not both */
  int attach_only;              /* a disk, and no swap */
  int force;                    /* swap also where it may hang */
  int priority;                 /* of the swap; -1: the kernel's choice */
  uint64_t block_size;          /* of such a disk; 0: by default */
  uint64_t connections;         /* from 2 */
  uint64_t timeout;             /* seconds until a request is sent again */
  uint64_t dead_timeout;        /* ... until a dead device gives up */
  int page_cluster;             /* vm.page-cluster; -1: leave it */
  int swappiness;               /* vm.swappiness; -1: leave it */
  int64_t min_free;             /* bytes; -1: leave it, -2: choose */

  char *file;                   /* where conf_load looked for NAME.conf;
                                 * NULL before */
  bool file_missing;            /* ... and found none */
  uint64_t seen;                /* keys of this layer, by their bits */
};

void conf_init (struct conf *c);
void conf_free (struct conf *c);

/* What is set from here on is a layer of its own. */
void conf_new_layer (struct conf *c);

/* The path of NAME.conf, in PATH: in $NBDZRAM_CONF_DIR, or where it was
 * configured to be (/etc/nbdzram).
 */
void conf_path (char *path, size_t size, const char *name);

/* Likewise, of what swapon was told and the server is to be: beside the
 * control sockets, gone when the machine starts again.
 */
void conf_run_path (char *path, size_t size, const char *name);

/* Read the file at PATH, as a layer.  0, or -1 with a line in ERROR, which
 * names the file and the line; errno is ENOENT where there is no such
 * file.  After an error, C is only good for conf_free.
 */
int conf_read (struct conf *c, const char *path, char *error, size_t size);

/* Read both files of NAME, as far as they exist: conf_path, which becomes
 * C->file, then conf_run_path.  Begins a layer for what comes after them.  0, or -1 with
 * a line in ERROR.
 */
int conf_load (struct conf *c, const char *name, char *error, size_t size);

/* Write C to the file at PATH, which has a slash, whole or not at all, so
 * that conf_read makes the same of it.  The directory is made if it is
 * missing.  0, or -1 with a line in ERROR.
 */
int conf_write (const struct conf *c, const char *path, char *error,
                size_t size);

/* The same to FILE, which knows of errors. */
void conf_print (const struct conf *c, FILE *file);

/* One setting, as from the file.  0, or -1 with a line in ERROR. */
int conf_set (struct conf *c, const char *key, const char *value,
              char *error, size_t size);

/* The same from one word, "key=value". */
int conf_set_word (struct conf *c, const char *word, char *error,
                   size_t size);

/* What C gives the plugin as KEY, the first time, or NULL. */
const char *conf_parameter (const struct conf *c, const char *key);

/* Does it encrypt what it serves? */
bool conf_has_tls (const struct conf *c);

/* The logical blocks of the device that it is attached as: by default a
 * page, or those that images of disks have, and with them their tables of
 * partitions.
 */
static inline uint64_t
conf_block_size (const struct conf *c)
{
  if (c->block_size > 0)
    return c->block_size;
  return c->attach_only ? CONF_SECTOR_SIZE : CONF_BLOCK_SIZE_MAX;
}

/* Does it export anything by a name? */
bool conf_has_exports (const struct conf *c);

/* Does it let everybody connect who reaches it, as far as can be told
 * without the file of exports?
 */
bool conf_is_open (const struct conf *c);

/* What makes no sense together, or on this machine: no size, a size that
 * no SWAP can need, a local server and a remote one.
 */
int conf_check (const struct conf *c, bool swap, char *error, size_t size);

/* The name of the Nth key that can be set, or NULL.  *PLUGIN: does it go
 * to the plugin?
 */
const char *conf_key (size_t n, bool *plugin);

#endif /* NBDZRAM_COMMAND_CONF_CONF_H */
