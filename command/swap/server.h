/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server behind a swap, and its watchers: starting and ending them,
 * by systemd or without.
 *
 * Functions return 0, or -1 with a line in ERROR.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SERVER_H
#define NBDZRAM_COMMAND_SWAP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "command/attach/record.h"
#include "command/conf/conf.h"

/* Does systemd run this machine? */
bool swap_server_has_systemd (void);

/* Is the server of NAME a unit that systemd has started? */
bool swap_server_is_unit (const char *name);

/* Does the supervisor of NAME answer? */
bool swap_server_runs (const char *name);

/* Start it as it is set to in the files of NAME, and wait until it
 * serves.
 */
int swap_server_start (const char *name, bool unit, char *error, size_t size);

/* Ask systemd to start the unit of NAME when that has ended, and don't
 * wait.
 */
int swap_server_unit_start (const char *name, char *error, size_t size);

/* Wait for its standby, which is started when the server serves.  Also where
 * that takes too long, it returns.
 */
void swap_server_wait_standby (const char *name);

/* Have it end with the status of one that could not do its work, so that
 * systemd does not start it again.
 */
void swap_server_fail (const char *name);

/* End it.  That there is none is all right. */
int swap_server_stop (const char *name, bool unit, char *error, size_t size);

/* Have NAME's supervisor start a watcher called WATCHER, which attaches a
 * device to URI, and wait until it has.
 */
int swap_server_watch (const char *name, const char *watcher,
                       const char *uri, const struct conf *c,
                       struct attachment *a, char *error, size_t size);

/* The same for one that can't be reached, without waiting: the watcher does,
 * and then gives its device to the mirror of NAME.  1: there is such a
 * watcher already; 0: there is now.
 */
int swap_server_watch_later (const char *name, const char *watcher,
                             const char *uri, const struct conf *c,
                             char *error, size_t size);

/* End a watcher that may not have attached anything. */
void swap_server_forget (const char *name, const char *watcher);

/* End the watcher of A, which disconnects the device; where there is no
 * watcher any more, disconnect it ourselves.
 */
int swap_server_unwatch (const char *name, const struct attachment *a,
                         char *error, size_t size);

/* Is WATCHER's device attached without a watcher that looks after it, or will
 * soon?  Then all processes of its time were killed.
 */
bool swap_server_is_left (const char *name, const char *watcher,
                          struct attachment *a);

/* Where the server of NAME, which runs, is to be dialed. */
int swap_server_uri (char *uri, size_t size, const char *name, char *error,
                     size_t error_size);

#endif /* NBDZRAM_COMMAND_SWAP_SERVER_H */
