/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds servers and sends requests to their control sockets. */

#ifndef NBDZRAM_COMMAND_BASE_CONTROL_CLIENT_H
#define NBDZRAM_COMMAND_BASE_CONTROL_CLIENT_H

#include <stddef.h>

#include <jansson.h>

#include "service/control-path.h"
#include "command.h"

enum server_state {
  SERVER_NONE,
  SERVER_ALIVE,
  SERVER_DEAD,                  /* its socket exists, but does not answer */
};

/* A server that was found.  It may have ended since. */
struct server {
  char name[CONTROL_PATH_SIZE]; /* or the path, if that was given */
  char path[CONTROL_PATH_SIZE];
  enum server_state state;
  bool elsewhere;               /* not in the directory that a server
                                 * started in this session would use */
};

/* Finds the server called NAME, or the one with the socket CONTROL.  If both
 * are NULL, finds the only one that runs.  If several match, as two of one
 * name in two directories, a message asks the user to choose.  EXIT_OK, or
 * another code after a message.
 */
int server_find (struct server *s, const char *name, const char *control);

/* Puts into S the socket of NAME with SUFFIX (".ctl") in the directory of this
 * session, which need not exist.  0, or -1: the name is too long.
 */
int server_at (struct server *s, const char *name, const char *suffix);

/* All running servers, sorted by name, in a list to be freed. */
struct server *servers_find (size_t *count);

/* All sockets NAME and SUFFIX (NAME NULL: of all names), whether something
 * answers there or not, sorted by name, in a list to be freed.
 */
struct server *sockets_find (const char *name, const char *suffix,
                             size_t *count);

/* Does a server answer at the socket PATH?  Waits at most TIMEOUT seconds. */
enum server_state server_probe (const char *path, int timeout);

/* EXIT_OK, or EXIT_USAGE after a message: NAME can't be that of a server. */
int server_check_name (const char *name);

/* Reports that no server runs, or none called NAME.  Returns
 * EXIT_NO_SERVER.
 */
int report_no_server (const char *name);

/* Seconds to wait for a reply to a request that takes no time. */
#define TIMEOUT 10

/* Sends REQUEST to S, and waits TIMEOUT seconds for the reply (0: forever).
 * REQUEST is taken over, and may be NULL (no memory).  EXIT_OK with *REPLY,
 * which is the caller's, or another code after a message.
 */
int server_ask (const struct server *s, json_t *request, int timeout,
                json_t **reply);

/* Sends VERB, which takes no arguments, to the servers called NAME, to the
 * one at CONTROL, or to all that run, and appends their replies, with their
 * locations, to REPLIES.
 */
int servers_ask (const char *name, const char *control, const char *verb,
                 json_t *replies);

/* Adds to OBJECT where S was found, since there may be several of one name:
 * "control", the path of the socket, and "directory", if that is not the
 * directory of this session.
 */
void server_add_location (json_t *object, const struct server *s);

/* Like server_ask, but puts the message in ERROR, of SIZE bytes. */
int server_try (const struct server *s, json_t *request, int timeout,
                json_t **reply, char *error, size_t size);

#endif /* NBDZRAM_COMMAND_BASE_CONTROL_CLIENT_H */
