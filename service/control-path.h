/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The paths of control sockets: DIRECTORY/NAME.ctl.  The server creates its
 * socket there, and the command nbdzram looks for it.
 */

#ifndef NBDZRAM_SERVICE_CONTROL_PATH_H
#define NBDZRAM_SERVICE_CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define CONTROL_SUFFIX ".ctl"
#define CONTROL_NAME_MAX 64

/* Room for the path of a socket and the zero after it. */
#define CONTROL_PATH_SIZE (sizeof ((struct sockaddr_un *) 0)->sun_path)

/* Is NAME valid?  It has letters, digits, and . _ - after the first character.
 * So a name can't be confused with an option, a path, or KEY=VALUE.
 */
bool control_name_valid (const char *name);

/* The directory of this user's sockets, from the environment: that of the
 * session if it has one, and for root that of the system.
 */
const char *control_directory (char *buf, size_t size);

/* Make PATH from DIRECTORY and NAME.  Returns 0, or -1 with errno ENAMETOOLONG
 * if it is too long for a socket.
 */
int control_path (char path[CONTROL_PATH_SIZE], const char *directory,
                  const char *name);

#endif /* NBDZRAM_SERVICE_CONTROL_PATH_H */
