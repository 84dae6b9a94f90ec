/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of nbdzram watch share: the state of one watched device.
 *
 *   verbs/watch.c   the command: options, the main loop, the end
 *   watch-attach.c  connects a device, or resumes a connected one
 *   watch-member.c  a device that is a member of a mirror
 *   watch-ops.c     what the watcher (watcher.h) asks of its surroundings
 *   watch-status.c  the log, and signals
 *
 * One thread runs all of it, so there are no locks.
 */

#ifndef NBDZRAM_COMMAND_ATTACH_WATCH_PROCESS_H
#define NBDZRAM_COMMAND_ATTACH_WATCH_PROCESS_H

#include <signal.h>
#include <stdbool.h>

#include "member.h"
#include "nbd-dial.h"
#include "nbd-netlink.h"
#include "record.h"
#include "watcher.h"

#define WATCH_BLOCK_SIZE 4096   /* of swap, and the default */
#define WATCH_DIAL_MS 10000     /* a server that restarts needs some time */

struct watching {
  struct attachment a;
  int file;                     /* NAME.attach; -1: can't be opened now */
  bool saved;                   /* NAME.attach holds what A does */
  int64_t file_next;            /* ms: when to check that it exists */
  struct nbd_netlink nl;
  struct nbd_address address;
  struct nbd_dial dial;
  bool dialing;                 /* DIAL is under way */
  bool knows_disk;              /* a.description is what it must be */
  struct watcher watcher;
  bool mirror;                  /* the device is, or will be, a member */
  const char *member_of;        /* the NAME whose mirror that is; NULL: any
                                 * mirror that has the device */
  bool detached;                /* not connected now: the mirror works
                                 * without it */
  struct member member;
  char last_message[256];
};

/* ---- watch-status.c ---- */

/* Catches SIGTERM and SIGINT, and blocks them.  They come only in a ppoll
 * with the mask *UNBLOCKED, which is set.
 */
void watch_catch_signals (sigset_t *unblocked);

/* Did a signal ask the watcher to stop? */
bool watch_is_stopping (void);

/* Continues after a stop that was refused. */
void watch_clear_stop (void);

/* Logs a line to standard error, unless it is the same as the last one. */
void watch_log (struct watching *w, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* The same; returns -1. */
int watch_log_error (struct watching *w, const char *message);

/* ---- watch-ops.c ---- */

/* For watcher_start; OPAQUE is the struct watching. */
extern const struct watcher_ops watch_ops;

/* Returns whether the dialed export has the pages of the device, and logs
 * why not.  The first export dialed says what the others must be.
 */
bool watch_verify_disk (struct watching *w, const struct nbd_dialed *d);

/* Writes NAME.attach.  An error is logged, and w->saved is false. */
void watch_save_record (struct watching *w);

/* Creates NAME.attach again if it was removed, and writes it if that failed
 * before.  Returns in how many ms to call it again.
 */
int watch_maintain_record (struct watching *w);

/* The kernel took a socket and has LIVE in all: counts and logs that. */
void watch_on_reconnected (void *opaque, unsigned live);

/* ---- watch-attach.c ---- */

/* Opens NAME.attach, and resumes the device of a watcher that was killed or
 * connects a new one: /dev/nbdINDEX, or any for -1.  0, or -1 after a
 * message.
 */
int watch_open_device (struct watching *w, int index);

/* Connects a new device.  Each connection may take MS.  0, or -1 after a
 * message.
 */
int watch_connect_device (struct watching *w, int index, int ms);

/* Is a device that is ours, or may be, in use as swap, or an array that has
 * it as a member?  Then no other device can replace it.
 */
bool watch_is_swap (const struct attachment *a, const char *identifier);

/* ---- watch-member.c ---- */

/* Starts the step that is due for a connected member of a mirror.  Sets
 * w->detached when the device was given up and disconnected.
 */
void watch_check_member (struct watching *w);

/* Starts without a device: its mirror can start without this member. */
void watch_start_detached (struct watching *w);

/* Removes the detached member from its array, and connects the device again
 * with whatever its server holds now.  Waits for that, with signals
 * UNBLOCKED.  False: told to stop before.
 */
bool watch_reattach_member (struct watching *w, const sigset_t *unblocked);

#endif /* NBDZRAM_COMMAND_ATTACH_WATCH_PROCESS_H */
