/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of nbdzram watch share: all that is known of a device.
 *
 *   watch.c         the command: the loop, and the end
 *   watch-attach.c  connecting a device, or going on with one
 *   watch-member.c    one that is a half of a mirror
 *   watch-ops.c     what the watcher asks of the outer world
 *   watch-status.c     saying what happens
 *
 * All is one thread's.
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

#define WATCH_BLOCK_SIZE 4096   /* of swap, and by default */
#define WATCH_DIAL_MS 10000     /* a server that restarts lets us wait */

struct watching {
  struct attachment a;
  int file;                     /* NAME.attach; -1: it can't be had now */
  bool saved;                   /* it says what is so */
  int64_t file_next;            /* milliseconds: when to look at it */
  struct nbd_netlink nl;
  struct nbd_address address;
  struct nbd_dial dial;
  bool dialing;
  bool knows_disk;              /* a.description is what it must be */
  struct watcher watcher;
  bool mirror;                  /* it is, or will be, a half */
  const char *member_of;        /* NAME, whose mirror that is; NULL: of any
                                 * that has the device */
  bool apart;                   /* given up, and not connected again; or
                                 * it never was */
  struct member member;
  char said[256];
};

/* ---- watch.c ---- */

/* Has a signal asked for the end?  They come only in ppoll. */
bool watch_is_told_to_end (void);

/* ---- watch-status.c ---- */

/* A line to standard error, unless it is what was said last. */
void watch_say (struct watching *w, const char *format, ...)
  __attribute__ ((format (printf, 2, 3)));

/* The same, and -1. */
int watch_refuse (struct watching *w, const char *why);

/* ---- watch-ops.c ---- */

/* For the watcher; OPAQUE is the struct watching. */
extern const struct watcher_ops watch_ops;

/* Has what was dialed the pages of the device?  Says it if not. */
bool watch_is_same_disk (struct watching *w, const struct nbd_dialed *d);

/* Write NAME.attach; says it where that fails. */
void watch_save (struct watching *w);

/* Make NAME.attach anew where it was removed, and write it where that has
 * failed; in how many milliseconds to look again.
 */
int watch_keep_file (struct watching *w);

/* Count that the kernel has a socket again, LIVE in all, and say it. */
void watch_reconnected (void *opaque, unsigned live);

/* ---- watch-attach.c ---- */

/* Have NAME.attach, and a device that is connected: that of a watcher which
 * was killed, or a new one, /dev/nbdINDEX or with -1 any.  0, or -1, and it
 * was said why.
 */
int watch_begin (struct watching *w, int index);

/* Connect a new device, each connection within MS. */
int watch_attach (struct watching *w, int index, int ms);

/* Does somebody swap to a device that is ours, or may be, or to an array
 * that has it?  Then no other one will do.
 */
bool watch_is_swap (const struct attachment *a, const char *identifier);

/* ---- watch-member.c ---- */

/* Do what is to be done now for a device that is connected; w->apart
 * afterwards when it was given up.
 */
void watch_member_look (struct watching *w);

/* A mirror may begin without a half: there is no device yet. */
void watch_member_begin_apart (struct watching *w);

/* Leave the array, and connect the device as a new one, with whatever its
 * server has now; waits for that, with the signals of USUAL.  False: told
 * to end before.
 */
bool watch_member_return (struct watching *w, const sigset_t *usual);

#endif /* NBDZRAM_COMMAND_ATTACH_WATCH_PROCESS_H */
