/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Upgrade: replacing the program of the servers by the one that is installed
 * now, and then the supervisor's own, without losing a page.
 *
 *   TRYING     The newly installed nbdzram is executed, for its version, and
 *              room for the state that the next program of the supervisor
 *              reads is reserved: what can fail does so before anything is
 *              changed.
 *   LOADING    A new server is started from what is installed now.  It finds
 *              the pool locked and waits: by then it has read its parameters
 *              and is completely in memory.
 *   PAUSING    The standby, which runs the old program, is stopped
 *              (SIGSTOP), so that only the new server can lock the pool.
 *   SWITCHING  The old server is killed.
 *   EXECUTING  The upgrade has succeeded, and its client gets the reply; then
 *              the supervisor executes the newly installed nbdzram.
 *
 * The old server is killed, not asked to end: nbdkit would answer the
 * requests that it reads from then on with errors (ESHUTDOWN), also on a
 * connection that was shut down for reading.  For a client that repeats
 * unanswered requests no answer is better than an error.
 *
 * If the new server fails, in any phase, then the old standby goes on; if
 * there was no standby, another server is started from the old program.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_UPGRADE_H
#define NBDZRAM_COMMAND_SUPERVISOR_UPGRADE_H

#include <stddef.h>
#include <stdint.h>

#include "command/base/process.h"
#include "setup.h"

struct supervisor;

enum upgrade_phase {
  UPGRADE_NONE,
  UPGRADE_TRYING,               /* until the new nbdzram has shown that it
                                 * can be executed */
  UPGRADE_LOADING,              /* until the new server is a standby */
  UPGRADE_PAUSING,              /* until the old standby has stopped */
  UPGRADE_SWITCHING,            /* until the new server is ready */
  UPGRADE_EXECUTING,            /* until the supervisor executes itself */
};

struct upgrade {
  enum upgrade_phase phase;
  struct process trial;         /* the new nbdzram */
  int state;                    /* a memfd for it to read, or -1 */
  struct generation *next;      /* the new server; NULL after it has ended */
  struct setup setup;           /* of the new server */
  int64_t deadline;             /* of the phase, in milliseconds */
  int64_t switched;             /* when the old server was killed */
  char old_version[VERSION_SIZE];
  char error[MESSAGE_SIZE];     /* why the new server ended, or "" */
  char reply[MESSAGE_SIZE];     /* JSON, once the upgrade is over */
};

#define NO_UPGRADE ((struct upgrade) { .trial = NO_PROCESS, .state = -1 })

/* Begin an upgrade.  Returns 0, or -1 with a message in ERROR. */
int upgrade_begin (struct supervisor *s, char *error, size_t size);

/* Enter the next phase, if it can be entered.  Returns when to call it again
 * at the latest, in milliseconds; 0: whenever something happens.
 */
int64_t upgrade_poll (struct supervisor *s);

/* The new server, which is upgrade.next, has ended because of ERROR. */
void upgrade_set_error (struct supervisor *s, const char *error);

/* In the phase EXECUTING: execute the new nbdzram.  Returns only if that
 * fails; then the upgrade is over, and this program goes on.
 */
void upgrade_execute (struct supervisor *s);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_UPGRADE_H */
