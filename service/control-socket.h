/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listening control socket: a file that belongs to one running server.
 * A new server replaces the socket of a dead one, but never that of a running
 * one, however many servers start at once.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_SOCKET_H
#define NBDZRAM_SERVICE_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>

#include "control-path.h"

struct control_socket {
  int fd;                       /* listening, not blocking */
  char path[CONTROL_PATH_SIZE];
  dev_t dev;                    /* of the file that was bound */
  ino_t ino;
};

/* Bind and listen at PATH, which is absolute, with mode 0600.  Returns 0, or
 * -1 with errno:
 *   ENAMETOOLONG  the path is too long for a socket
 *   EADDRINUSE    a running server has it
 *   EEXIST        the file is not a socket
 *   EBUSY         another process keeps the directory locked
 * or an error of the directory.
 */
int control_socket_open (struct control_socket *s, const char *path);

/* Does a process listen at PATH?  Returns 1, 0, or -1 with errno. */
int control_socket_is_alive (const char *path);

/* Does the file still exist, and is it the one that was bound? */
bool control_socket_is_bound (const struct control_socket *s);

/* Bind and listen at PATH again, after the file was removed or could not be
 * created, without waiting for the directory's lock.  Returns 0 after it
 * closed the old socket of S, or -1 with errno as above; then S is unchanged.
 */
int control_socket_renew (struct control_socket *s, const char *path);

/* Is ERR, of the functions above, a condition that may pass by itself, as a
 * full file system?
 */
bool control_socket_error_may_pass (int err);

/* Remove the file, if it is still the one that was bound. */
void control_socket_close (struct control_socket *s);

#endif /* NBDZRAM_SERVICE_CONTROL_SOCKET_H */
