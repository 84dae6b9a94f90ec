/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The listening end of a control socket: a file that belongs to one
 * living server.  One that a dead server left is replaced, that of a
 * living one never, however many start at once.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_SOCKET_H
#define NBDZRAM_SERVICE_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>

#include "control-path.h"

struct control_socket {
  int fd;                       /* listening, not blocking */
  char path[CONTROL_PATH_SIZE];
  dev_t dev;                    /* what was bound there */
  ino_t ino;
};

/* Bind and listen at PATH, which is absolute, with mode 0600.  0, or -1
 * with errno set:
 *   ENAMETOOLONG  no socket can be called that
 *   EADDRINUSE    a living server has it
 *   EEXIST        something that is not a socket is there
 *   EBUSY         somebody keeps the directory locked
 * and what the directory may fail with.
 */
int control_socket_open (struct control_socket *s, const char *path);

/* Does a process listen at PATH?  1, 0, or -1 with errno. */
int control_socket_is_alive (const char *path);

/* Is its file still there, and the one that was bound? */
bool control_socket_is_bound (const struct control_socket *s);

/* Bind and listen at PATH anew, after the file was removed or could not be
 * made, without waiting for the directory's lock.  The socket that S was is
 * closed when that succeeds, and stays as it is when it fails: -1 with errno
 * as above.
 */
int control_socket_renew (struct control_socket *s, const char *path);

/* Is ERR, of the functions above, a condition that may pass without anybody
 * asking for something else, as a file system that is full?
 */
bool control_socket_error_may_pass (int err);

/* Remove the file, if it is still the one that was bound. */
void control_socket_close (struct control_socket *s);

#endif /* NBDZRAM_SERVICE_CONTROL_SOCKET_H */
