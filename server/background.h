/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going to the background: the command that started the server returns when
 * the server serves, or has failed.
 */

#ifndef NBDZRAM_SERVER_BACKGROUND_H
#define NBDZRAM_SERVER_BACKGROUND_H

struct options;

struct background {
  int parent;                   /* a pipe to the parent; -1: there is none */
};

/* Continue in a child.  The parent waits for background_started, and ends
 * with a failure if the child ends without it.  The path of the PID file in O
 * becomes absolute, since the child's directory is /.  Returns 0 in the child,
 * or -1 after a line in the log.
 */
int background_enter (struct background *b, struct options *o);

/* The server serves: close what the shell gave, and let the parent end. */
void background_started (struct background *b);

#endif /* NBDZRAM_SERVER_BACKGROUND_H */
