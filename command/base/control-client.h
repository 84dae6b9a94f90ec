/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking servers through their control sockets. */

#ifndef NBDZRAM_COMMAND_BASE_CONTROL_CLIENT_H
#define NBDZRAM_COMMAND_BASE_CONTROL_CLIENT_H

#include <stddef.h>

#include <jansson.h>

#include "service/control-path.h"
#include "command.h"

enum server_state {
  SERVER_NONE,
  SERVER_ALIVE,
  SERVER_DEAD,                  /* its socket is there, but does not answer */
};

/* A server that was found; it may have ended since. */
struct server {
  char name[CONTROL_PATH_SIZE]; /* or the path, where that was given */
  char path[CONTROL_PATH_SIZE];
  enum server_state state;
  bool elsewhere;               /* not where a server started by this user,
                                 * in this session, would be */
};

/* The server called NAME, or the one with its socket at CONTROL; both
 * may be NULL: then the only one that runs.  Where several fit, as two of
 * one name in two directories, the user must choose.  EXIT_OK, or another
 * code after a message.
 */
int server_find (struct server *s, const char *name, const char *control);

/* All that run, by name, in a list to be freed. */
struct server *servers_find (size_t *count);

/* Seconds after which a server that should reply at once does not. */
#define TIMEOUT 10

/* Ask S, giving up after TIMEOUT seconds (0: never), and put the reply
 * of a server that was willing in *REPLY.  REQUEST is taken over, and
 * may be NULL (no memory).  EXIT_OK, or another code after a message.
 */
int server_ask (const struct server *s, json_t *request, int timeout,
                json_t **reply);

/* Ask the servers called NAME, the one at CONTROL, or all that run, for
 * VERB, which takes no arguments, and append what they reply to the list
 * REPLIES, with "control", the path of the socket, and "directory", its
 * directory where that is another one than this user's.  Those that don't
 * reply are appended to DOWN as an object with "name" and the same, unless
 * it is NULL; then also sockets count that dead servers have left.
 */
int servers_ask (const char *name, const char *control, const char *verb,
                 json_t *replies, json_t *down);

/* As server_ask, but the message goes to ERROR, SIZE bytes, instead. */
int server_try (const struct server *s, json_t *request, int timeout,
                json_t **reply, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_BASE_CONTROL_CLIENT_H */
