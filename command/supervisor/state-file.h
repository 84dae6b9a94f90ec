/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME.run, the file from which the next supervisor recovers (recover.h).
 *
 * It has two halves of the same length.  Each is a line: one is the state,
 * the other is blank.  A new state is written into the blank half, except
 * for its first character; then that character, which makes the line valid;
 * then the other half is made blank.  Killed between any two of these
 * writes, the supervisor leaves a whole state, and of two the one with the
 * greater serial number counts.
 *
 * Both halves have their blocks in the file system from the beginning, and
 * the file stays open.  So writing a state needs no block, no inode and no
 * directory: it works after a server has died, and while the directory is
 * full or read-only.  The file is mapped, so that it is locked in memory
 * with everything else.
 */

#ifndef NBDZRAM_COMMAND_SUPERVISOR_STATE_FILE_H
#define NBDZRAM_COMMAND_SUPERVISOR_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct supervisor;

struct state_file {
  int fd;                       /* -1: the file is not open */
  size_t half;                  /* bytes of each half */
  unsigned current;             /* 0 or 1: the half that has the state */
  void *map;
};

#define NO_STATE_FILE ((struct state_file) { .fd = -1 })

struct state {
  struct state_file file;       /* open for writing */
  int lock;                     /* on the NAME.run that was there, or -1 */
  uint64_t serial;              /* of the last state */
  bool changed;                 /* a new state must be written */
  bool is_ours;                 /* NAME.run was written or recovered by this
                                 * supervisor, which removes it at its end */
  bool failure_reported;        /* the last write failed */
};

#define NO_STATE ((struct state) { .file.fd = -1, .lock = -1 })

/* Lock NAME.run, so that no other supervisor recovers from it.  Returns a
 * descriptor that has the lock, or -1 with errno: ENOENT, or EADDRINUSE
 * (another supervisor has the lock).
 */
int state_lock (const struct supervisor *s);

/* Open the NAME.run that exists, whose line CURRENT is the state, for
 * writing.  If it has no room for another state, it stays closed, and
 * state_save creates a new one.
 */
void state_open (struct supervisor *s, unsigned current);

/* The supervisor's data has changed: write NAME.run before waiting. */
void state_mark_changed (struct supervisor *s);

/* Write NAME.run.  An error is logged, once until it succeeds again. */
void state_save (struct supervisor *s);

/* Is the file of this name the one that is open? */
bool state_file_is_linked (const struct supervisor *s);

#endif /* NBDZRAM_COMMAND_SUPERVISOR_STATE_FILE_H */
