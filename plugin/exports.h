/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exports: the devices of the pool, by name, for those who connect.
 *
 * Which there are, the parameters say (export=, exports=, size= for the one
 * without a name) and the pool itself, which keeps those it has, with their
 * settings; what the parameters say of one goes before that.
 *
 * All functions return what says success, or after nbdkit_error, or with a
 * sentence in ERROR.  Any thread may call at any time after exports_open.
 */

#ifndef NBDZRAM_PLUGIN_EXPORTS_H
#define NBDZRAM_PLUGIN_EXPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/store/devices.h"
#include "service/exports-options.h"

/* ---- serving ---- */

/* Make those that are wanted; O must stay.  The pool has been started, and
 * has the export without a name, if that is wanted.  0, or -1.
 */
int exports_open (struct pool *pool, const struct exports_options *o);

/* For a connection: the export called NAME, which the peer may use.
 * exports_detach ends that.  NULL after nbdkit_error.
 */
struct device *exports_use (const char *name);
void exports_detach (struct device *d);

/* Tell nbdkit of all that the peer may use. */
struct nbdkit_exports;
int exports_list (struct nbdkit_exports *list);

/* Which pool it is, and which export of it: who reconnects finds out whether
 * the pages are still those that were written (nbdzram watch).
 */
#define EXPORT_DESCRIPTION_SIZE 128
void exports_describe (const struct device *d,
                       char text[EXPORT_DESCRIPTION_SIZE]);

/* Which one the empty name stands for: itself, or the first there is, of
 * those that the client may use.
 */
const char *exports_default (void);

/* Before a request of COUNT bytes: waits as its bandwidth wants.  0, or -1
 * with errno ESHUTDOWN: the export has been removed, or the server ends.
 */
int exports_begin_request (struct device *d, uint32_t count);

/* Whether the export is still there: 0, or -1 with errno ESHUTDOWN.  One that
 * is removed is trimmed first, while it has clients: what was read as zeroes,
 * or as a hole, counts only if this succeeds afterwards.
 */
int exports_check_removed (const struct device *d);

/* Note whether the last request that wanted room found none.  Returns what
 * was noted before.
 */
bool exports_set_full (struct device *d, bool full);

/* ---- for the control socket (control.h) ---- */

extern const struct control_exports exports_control;

#endif /* NBDZRAM_PLUGIN_EXPORTS_H */
