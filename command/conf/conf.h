/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of a disk and of swap on it: the file NAME.conf, and then the
 * options of serve and swapon.
 *
 * The file is "key = value" a line; "#" or ";" begins a comment, at the
 * start of a line or after a blank.  Keys are the server's parameters, in the
 * table in service/settings.c, and those of the command itself, in the table
 * in conf.c.  nbdzram.conf(5) describes them.
 *
 * Settings come in layers: a file, another one, the command line.  In a
 * layer, a key that may be given several times adds up; a later layer
 * replaces all its values of earlier ones.  A later value of another key
 * always replaces the earlier one, but a file must not have the key twice.
 *
 * Errors are one line without the name of the program.
 */

#ifndef NBDZRAM_COMMAND_CONF_CONF_H
#define NBDZRAM_COMMAND_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define CONF_SUFFIX ".conf"

/* The name of a swap by default. */
#define CONF_SWAP_NAME "swap0"

#define CONF_REMOTES_MAX 8

/* The longest value in bytes: the library that reads such files cuts longer
 * lines.
 */
#define CONF_VALUE_MAX 160

/* The largest numbers of connections, and of seconds. */
#define CONF_CONNECTIONS_MAX 16
#define CONF_AREAS_MAX 16
#define CONF_TIMEOUT_MAX 30
#define CONF_DEAD_TIMEOUT_MAX 86400

/* Bytes. */
#define CONF_SECTOR_SIZE 512
#define CONF_BLOCK_SIZE_MAX 4096

/* The largest disk in bytes: DEVICE_SIZE_MAX of the store. */
#define DISK_SIZE_MAX (UINT64_C (1) << 50)

/* Room for any error of these functions, but for the path it begins with. */
#define CONF_ERROR_SIZE 512

/* Special values of the integers below. */
#define CONF_KEEP (-1)
#define CONF_CHOOSE (-2)

enum conf_file_system { CONF_EXT4, CONF_XFS, CONF_BTRFS };

struct conf {
  uint64_t ram;                 /* the value of "ram" in bytes; conf_init
                                 * sets it to the machine's memory */
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
  int busy_poll;                /* microseconds; 0: never; -2: the server's
                                 * default */

  const char *obsolete;         /* a key that is given and has no effect any
                                 * more, or NULL */

  /* Its use as swap. */
  char *remotes[CONF_REMOTES_MAX]; /* URIs, instead of a local server */
  size_t remote_count;
  int mirror, stripe;           /* of them: an array; not both */
  int attach_only;              /* a disk, and no swap */
  int areas;                    /* at most so many swap areas */

  /* Its use for a file system. */
  char *mount_point;            /* path; NULL: none */
  int fs_type;                  /* enum conf_file_system */
  char *mount_options;          /* besides discard, or NULL */
  int mode;                     /* of its root, octal digits as a decimal
                                 * number; -1: leave it */

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

/* Begin a new layer of settings. */
void conf_new_layer (struct conf *c);

/* The path of NAME.conf, in PATH: in $NBDZRAM_CONF_DIR, or in the directory of
 * the configuration (/etc/nbdzram).
 */
void conf_path (char *path, size_t size, const char *name);

/* Call EACH for the names whose conf_path exists. */
void conf_for_each_name (void (*each) (void *opaque, const char *name),
                         void *opaque);

/* The keys of such a file: the INDEX-th, or NULL beyond the last one. */
struct setting;
const struct setting *conf_key_at (size_t index);

/* Likewise for the file in which swapon writes its options for the server:
 * beside the control sockets, so it is gone when the machine starts again.
 */
void conf_run_path (char *path, size_t size, const char *name);

/* Read the file at PATH, as a layer.  Returns 0, or -1 with a line in ERROR,
 * which names the file and the line; errno is ENOENT if the file is missing.
 * After an error, the caller must only call conf_free.
 */
int conf_read (struct conf *c, const char *path, char *error, size_t size);

/* Read both files of NAME, if they exist: conf_path, which becomes C->file,
 * then conf_run_path.  Begins a new layer.  Returns 0, or -1 with a line in
 * ERROR.
 */
int conf_load (struct conf *c, const char *name, char *error, size_t size);

/* Write C to the file at PATH, which has a slash, whole or not at all.
 * conf_read reads the same settings from it.  Creates the directory if it is
 * missing.  Returns 0, or -1 with a line in ERROR.
 */
int conf_write (const struct conf *c, const char *path, char *error,
                size_t size);

/* The same to FILE; the caller checks it for errors. */
void conf_print (const struct conf *c, FILE *file);

/* Set one key, as from the file.  Returns 0, or -1 with a line in ERROR. */
int conf_set (struct conf *c, const char *key, const char *value,
              char *error, size_t size);

/* The same from one word, "key=value". */
int conf_set_word (struct conf *c, const char *word, char *error,
                   size_t size);

/* Set KEY to each of COUNT values.  Returns 0, or -1 with a line in ERROR. */
int conf_set_each (struct conf *c, const char *key, const char *const *values,
                   unsigned count, char *error, size_t size);

/* Initialise C with the files of NAME, and then COUNT words of the command
 * line.  Returns 0, or -1 with a line in ERROR.
 */
int conf_load_with (struct conf *c, const char *name, char *const *words,
                    int count, char *error, size_t size);

/* The first value of the server's parameter KEY, or NULL. */
const char *conf_parameter (const struct conf *c, const char *key);

/* Does the server use TLS? */
bool conf_has_tls (const struct conf *c);

/* The logical block size of the attached device: by default a page for swap;
 * for a disk the size in images of disks, in which their partition tables
 * count.
 */
static inline uint64_t
conf_block_size (const struct conf *c)
{
  if (c->block_size > 0)
    return c->block_size;
  return c->attach_only ? CONF_SECTOR_SIZE : CONF_BLOCK_SIZE_MAX;
}

/* The permissions that "mode" has, unless it is CONF_KEEP. */
mode_t conf_mode (const struct conf *c);

/* Does the server have exports with names? */
bool conf_has_exports (const struct conf *c);

/* Can any client that reaches the server use a disk?  This doesn't read the
 * file of exports.
 */
bool conf_is_open (const struct conf *c);

/* Choose the size of the disk of NAME, to which this machine swaps, and the
 * limit of its pool, where C says neither: nbdzram.conf(5) has the rule.
 * Changes nothing if a size is given, or if C is not only for swap in areas.
 * Returns 0, or -1 with a line in ERROR.
 */
int conf_choose_size (struct conf *c, const char *name, char *error,
                      size_t size);

/* Check settings that depend on each other or on this machine: a missing size,
 * a size that is too large for SWAP, a local server and a remote one.  Returns
 * 0, or -1 with a line in ERROR.
 */
int conf_check (const struct conf *c, bool swap, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_CONF_CONF_H */
