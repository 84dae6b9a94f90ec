/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exports: the devices of the pool, which clients choose by name.
 *
 * The parameters say which exports there are: export=, exports=, and size=
 * for the one without a name.  The pool keeps those that it has, with their
 * settings; the parameters come before those.
 *
 * Any thread may call these functions at any time after exports_open.
 */

#ifndef NBDZRAM_SERVICE_EXPORTS_H
#define NBDZRAM_SERVICE_EXPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/store/devices.h"
#include "exports-options.h"

/* What the program that serves the exports does for them.  The functions are
 * called in the thread that called one of those below.
 */
struct exports_host {
  void (*log) (const char *text); /* an error, of one line */
  void (*debug) (const char *text); /* a line for debugging */

  /* The address of the client; false if it has none, or none is known. */
  bool (*get_peer) (struct sockaddr_storage *addr);

  /* Wait.  -1: the client has disconnected, or the server ends. */
  int (*sleep) (unsigned nanoseconds);

  void (*disconnect) (void);    /* end the client's connection */

  /* End all connections to D, also those that are idle; NULL if the program
   * can't.
   */
  void (*disconnect_export) (const struct device *d);

  /* Threads that serve at once while memory may be short: a hardened server
   * has their stacks in memory.
   */
  unsigned threads;
};

/* Add the exports that are wanted.  O and HOST must stay.  The pool has been
 * started, and has the export without a name, if that is wanted.  Returns 0,
 * or -1 after an error in the log.
 */
int exports_open (struct pool *pool, const struct exports_options *o,
                  const struct exports_host *host);

/* The export called NAME for a new connection, if the client may use it;
 * exports_detach ends the use.  Returns NULL after an error in the log.
 */
struct device *exports_use (const char *name);
void exports_detach (struct device *d);

/* Call ON_EXPORT for each export that the client may use, until it returns
 * another value than 0.  Returns its last value.
 */
int exports_list (int (*on_export) (void *opaque, const char *name,
                                    const char *description),
                  void *opaque);

/* Describe the pool and the export in TEXT: a client that reconnects
 * compares it to learn whether its pages are still there (nbdzram watch).
 */
#define EXPORT_DESCRIPTION_SIZE 128
void exports_describe (const struct device *d,
                       char text[EXPORT_DESCRIPTION_SIZE]);

/* The export that the empty name stands for: the one without a name, or else
 * the first, of those that the client may use.
 */
void exports_get_default (char name[DEVICE_NAME_MAX + 1]);

/* Begin a request of COUNT bytes: waits as the export's bandwidth demands.
 * Returns 0, or -1 with errno ESHUTDOWN: the export has been removed, the
 * client has disconnected, or the server ends.
 */
int exports_begin_request (struct device *d, uint32_t count);

/* Returns 0 if the export still exists, or -1 with errno ESHUTDOWN.  An export
 * that is removed while it has clients is trimmed first.  So zeroes or a hole
 * that were read count only if this succeeds afterwards.
 */
int exports_check_removed (const struct device *d);

/* Remember whether the last request that needed memory found none.  Returns
 * the value before.
 */
bool exports_set_full (struct device *d, bool full);

/* ---- for the control socket ---- */

/* Functions return -1 with a sentence in ERROR. */
int exports_add (const char *name, const char *settings, char *error,
                 size_t size);
int exports_resize (const char *name, uint64_t bytes, char *error,
                    size_t size);

/* Returns how many connections the export has, which end with their next
 * request, or -1: it has some, and not FORCE.
 */
int exports_remove (const char *name, bool force, char *error, size_t size);

struct export_view {
  unsigned connections;
  uint64_t bandwidth;           /* bytes a second; 0: no limit */
  char algorithm[ALGORITHM_NAME_SIZE]; /* "": the pool's */
  char allow[DEVICE_SETTINGS_MAX + 1]; /* "": all clients */
};

void exports_view (const struct device *d, struct export_view *view);

#endif /* NBDZRAM_SERVICE_EXPORTS_H */
