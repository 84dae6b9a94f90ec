/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server of a swap and its watchers: starting and ending them, with
 * systemd or without.  The supervisor is asked by its control socket.
 *
 * Functions that return int return 0, or -1 with a line in ERROR.
 */

#ifndef NBDZRAM_COMMAND_SWAP_SERVER_H
#define NBDZRAM_COMMAND_SWAP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "command/attach/record.h"
#include "command/conf/conf.h"

/* Does systemd run this machine? */
bool swap_server_has_systemd (void);

/* Units are those of "nbdzram mount" from now on: nbdzram-mount@NAME.service,
 * not nbdzram-swap@NAME.service.
 */
void swap_server_use_mount_unit (void);

/* The name of the template of units. */
const char *swap_server_unit_template (void);

/* Is the server of NAME an active unit of systemd? */
bool swap_server_is_unit (const char *name);

/* Does the supervisor of NAME answer? */
bool swap_server_is_running (const char *name);

/* May the supervisor of NAME attach devices?  If not, since it was started
 * without --swap, or in a sandbox, this returns false, with its unit of
 * systemd in UNIT, or "".
 */
bool swap_server_may_attach (const char *name, char *unit, size_t size);

/* Start the server with the settings in the files of NAME, as a unit or as a
 * daemon, and wait until it serves.
 */
int swap_server_start (const char *name, bool unit, char *error, size_t size);

/* Have systemd start the unit of NAME as soon as that has ended; this does not
 * wait for it.
 */
int swap_server_unit_start (const char *name, char *error, size_t size);

/* Wait for the standby of NAME, which is started when the server serves; but
 * not longer than 30 seconds.
 */
void swap_server_wait_standby (const char *name);

/* Stop the supervisor of NAME with an exit status of failure, so that systemd
 * does not start its unit again.
 */
void swap_server_stop_failed (const char *name);

/* Stop the server and its supervisor, if they run, and wait until they have
 * ended.
 */
int swap_server_stop (const char *name, bool unit, char *error, size_t size);

/* Have the supervisor of NAME start WATCHER, which attaches a device to URI,
 * and wait until the device is attached: A describes it then.
 */
int swap_server_watch (const char *name, const char *watcher,
                       const char *uri, const struct conf *c,
                       struct attachment *a, char *error, size_t size);

/* The same without waiting, for a URI that can't be reached yet: the watcher
 * tries until it can, and then adds its device to the mirror of NAME.
 * Returns 1 if there was such a watcher already.
 */
int swap_server_watch_later (const char *name, const char *watcher,
                             const char *uri, const struct conf *c,
                             char *error, size_t size);

/* End WATCHER, which may have attached nothing yet. */
void swap_server_cancel_watch (const char *name, const char *watcher);

/* End the watcher of A, which disconnects the device; or disconnect it here if
 * its watcher is dead.
 */
int swap_server_unwatch (const char *name, const struct attachment *a,
                         char *error, size_t size);

/* Is the device of WATCHER attached, but has no watcher, and will not get one
 * from the supervisor?  Then all processes of that swap were killed.
 */
bool swap_server_is_orphaned (const char *name, const char *watcher,
                          struct attachment *a);

/* Have the supervisor of NAME run a process that adds areas and removes them:
 * MOST at most, of which the first has PRIORITY.  0 also if one runs.
 */
int swap_server_manage_areas (const char *name, int priority, unsigned most,
                              char *error, size_t size);

/* End that process, and wait for its end.  0 also if there is none; -1: it
 * does not end within 30 seconds.
 */
int swap_server_end_areas (const char *name);

/* The URI at which the running server of NAME can be reached. */
int swap_server_uri (char *uri, size_t size, const char *name, char *error,
                     size_t error_size);

#endif /* NBDZRAM_COMMAND_SWAP_SERVER_H */
